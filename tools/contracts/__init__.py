"""`comeback contracts`: writes what is generated from the code to docs/contracts, or says what there is stale."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.local.state import ROOT
from tools.contracts import released
from tools.output import complain, out

FOLDER = ROOT / "docs" / "contracts"


def contracts(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit code 1 if anything is stale.")] = False,
    check_breaking: Annotated[
        bool, typer.Option("--check-breaking", help="Write nothing; exit code 1 if the last release is broken.")
    ] = False,
    release: Annotated[bool, typer.Option("--release", help="Keep them as those of the last release.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="With --release: even in place of what was released, if nobody has it yet.")
    ] = False,
) -> None:
    """Write docs/contracts and the README's picture: events, topics, HTTP APIs and the map, as the code has them."""
    # Only here: it loads all five services, which takes seconds, and no other command needs them.
    from tools.contracts.documents import documents  # noqa: PLC0415

    wanted = documents()
    if check_breaking:
        _check_breaking(wanted)
    else:
        _write(wanted, check)
    if release:
        _release(wanted, again)


def _check_breaking(wanted: dict[str, str]) -> None:
    found = released.broken(FOLDER, wanted)
    for each in found:
        complain(each)
    if found:
        complain(
            "Mend it, or raise the version and say so in CHANGELOG.md: of an API in pyproject.toml and "
            "shared/version.py, of an event in its type, told beside the old one."
        )
        raise typer.Exit(1)
    out.print("Nothing breaks what was released.")


def _release(wanted: dict[str, str], again: bool) -> None:
    try:
        for name in released.release(FOLDER, wanted, again=again):
            out.print(f"docs/contracts/{name}")
    except ValueError as error:
        complain(f"docs/contracts/{error}.")
        raise typer.Exit(1) from error


def _write(wanted: dict[str, str], check: bool) -> None:
    from tools.contracts.picture import PAGE, with_picture  # noqa: PLC0415

    page, shown = ROOT / PAGE, with_picture(ROOT)
    found = {f"docs/contracts/{name}": what for name, what in stale(FOLDER, wanted).items()}
    if page.read_text() != shown:
        found[PAGE] = "shows another picture than the code has"
    if not found:
        out.print(f"{len(wanted)} files in docs/contracts are as the code has them.")
        return
    if check:
        for name, what in found.items():
            complain(f"{name} {what}: run `comeback contracts`.")
        raise typer.Exit(1)
    write(FOLDER, wanted)
    page.write_text(shown)
    for name in found:
        out.print(name)


def stale(folder: Path, wanted: dict[str, str]) -> dict[str, str]:
    """What is wrong with each file that is not as wanted; what was released stays as it was."""
    there = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    there = {name: path for name, path in there.items() if not name.startswith(f"{released.FOLDER}/")}
    found: dict[str, str] = {}
    for name in sorted({*wanted, *there}):
        if name not in there:
            found[name] = "is missing"
        elif name not in wanted:
            found[name] = "is left over"
        elif there[name].read_text() != wanted[name]:
            found[name] = "differs from the code"
    return found


def write(folder: Path, wanted: dict[str, str]) -> None:
    """The folder holds what is wanted, and nothing else."""
    for name in stale(folder, wanted):
        path = folder / name
        if name in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[name])
        else:
            path.unlink()
