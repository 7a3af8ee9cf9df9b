"""The fenced blocks of a document that say `run`, and what the document shows as their output.

```` ```sh run ```` and ```` ```python run ```` are executed; a block right behind one whose fence says `shown` is its
output, in which `…` stands for anything.
"""

import re
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(?P<language>\w+) (?P<word>run|shown)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass
class Block:
    language: str
    code: str
    line: int
    shown: str | None = None

    def accepts(self, output: str) -> bool:
        """Whether the output is what the document shows; anything will do where it shows nothing."""
        if self.shown is None:
            return True
        wanted = ".*".join(re.escape(part) for part in self.shown.strip().split("…"))
        return re.fullmatch(wanted, output.strip(), re.DOTALL) is not None


def blocks(document: Path) -> list[Block]:
    text = document.read_text()
    found: list[Block] = []
    for match in _FENCE.finditer(text):
        if match["word"] == "run":
            found.append(Block(match["language"], match["text"], text.count("\n", 0, match.start()) + 1))
        else:
            found[-1].shown = match["text"]
    return found
