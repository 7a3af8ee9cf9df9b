"""How commands speak: results to standard output, progress and complaints to standard error."""

from rich.console import Console

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def complain(sentence: str) -> None:
    err.print(f"comeback: {sentence}", style="red", markup=False, soft_wrap=True)
