"""`comeback contracts`: writes what is generated from the code to docs/contracts, or says what there is stale."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.local.state import ROOT
from tools.output import complain, out

FOLDER = ROOT / "docs" / "contracts"


def contracts(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit code 1 if anything is stale.")] = False,
    release: Annotated[
        bool, typer.Option("--release", help="Also keep today's events as those of the last release.")
    ] = False,
    breaking: Annotated[
        bool, typer.Option("--breaking", help="Release even what breaks the last release, which nobody uses yet.")
    ] = False,
) -> None:
    """Write docs/contracts: events, topics, HTTP APIs and the map, as the code has them.

    Exit code 1 if events break what the last release promised."""
    # Only here: they load all five services, which takes seconds, and no other command needs them.
    from tools.contracts import picture, releases  # noqa: PLC0415
    from tools.contracts.documents import documents  # noqa: PLC0415

    broken = releases.breaks_of(FOLDER / releases.NAME)
    for line in broken:
        complain(line)
    refused = bool(broken) and not (release and breaking)
    if release and not check and not refused:
        write(FOLDER / releases.NAME, releases.release())
    wanted, page = documents(), {picture.PAGE: picture.with_picture(ROOT)}
    found = {f"docs/contracts/{name}": what for name, what in stale(FOLDER, wanted, releases.NAME).items()}
    found |= {name: "differs from the code" for name, text in page.items() if (ROOT / name).read_text() != text}
    if check:
        for name, what in found.items():
            complain(f"{name} {what}: run `comeback contracts`.")
    else:
        write(FOLDER, wanted, releases.NAME)
        (ROOT / picture.PAGE).write_text(page[picture.PAGE])
        for name in found:
            out.print(name)
    if refused or (check and found):
        raise typer.Exit(1)
    if not found:
        out.print(f"{len(wanted)} files in docs/contracts are as the code has them.")


def stale(folder: Path, wanted: dict[str, str], besides: str | None = None) -> dict[str, str]:
    """What is wrong with each file that is not as wanted; those in the folder `besides` are others'."""
    there = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    there = {name: path for name, path in there.items() if Path(name).parts[0] != besides}
    found: dict[str, str] = {}
    for name in sorted({*wanted, *there}):
        if name not in there:
            found[name] = "is missing"
        elif name not in wanted:
            found[name] = "is left over"
        elif there[name].read_text() != wanted[name]:
            found[name] = "differs from the code"
    return found


def write(folder: Path, wanted: dict[str, str], besides: str | None = None) -> None:
    """The folder holds what is wanted, and nothing else."""
    for name in stale(folder, wanted, besides):
        path = folder / name
        if name in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[name])
        else:
            path.unlink()
