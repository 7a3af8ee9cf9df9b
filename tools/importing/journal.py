"""How far an import has come, so that an interrupted one goes on: a small file of the stack's, gone at the end."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

_PIECE = 1 << 20


class Journal:
    """Of one file, said to be read in one way, for one stack; `person` is the last one the broker has acknowledged."""

    def __init__(self, folder: Path, files: Iterable[Path], said: str) -> None:
        self._path = folder / f"{_fingerprint(files, said)}.json"
        self.person: str | None = None
        self.rows = 0
        try:
            known = json.loads(self._path.read_text())
        except (FileNotFoundError, ValueError):
            return
        self.person, self.rows = known["person"], known["rows"]

    def note(self, person: str, rows: int) -> None:
        self.person, self.rows = person, self.rows + rows
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".draft")
        draft.write_text(json.dumps({"person": self.person, "rows": self.rows}))
        draft.replace(self._path)

    def finish(self) -> None:
        self._path.unlink(missing_ok=True)


def _fingerprint(files: Iterable[Path], said: str) -> str:
    digest = hashlib.blake2b(said.encode(), digest_size=16)
    for path in files:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
    return digest.hexdigest()
