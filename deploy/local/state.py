"""The state folder of one stack: where everything is, the ports it has chosen, its keys and passwords."""

import base64
import contextlib
import fcntl
import json
import os
import secrets
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.names import SERVICES

ROOT = Path(__file__).resolve().parents[2]


def default_home() -> Path:
    return Path(os.environ.get("COMEBACK_HOME") or ROOT / ".comeback").expanduser().resolve()


def _passwords() -> dict[str, str]:
    return {role: secrets.token_hex(24) for role in ("postgres", *SERVICES)}


def _kafka_id() -> str:
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass  # Kafka's tools would take it for an option
    return text


@dataclass
class State:
    """What must be the same at every start of a stack; written once, to a file that only its owner reads."""

    ports: dict[str, int] = field(default_factory=dict)
    clock: str = "wall"
    passwords: dict[str, str] = field(default_factory=_passwords)
    secret: str = field(default_factory=lambda: secrets.token_hex(32))
    api_key: str = field(default_factory=lambda: f"cbk_live_{secrets.token_hex(6)}_{secrets.token_hex(24)}")
    kafka_id: str = field(default_factory=_kafka_id)


@dataclass(frozen=True)
class Home:
    folder: Path

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def kafka(self) -> Path:
        return self.folder / "kafka"

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def state_file(self) -> Path:
        return self.folder / "stack.json"

    @contextlib.contextmanager
    def draft(self, parent: Path) -> Iterator[Path]:
        """A new folder in which to make what takes long; whoever is killed while making it leaves nothing half-made.
        Its name is this very process's: in another one the program that a killed process had started may be at work."""
        folder = parent / f"draft-{os.getpid()}"
        for old in (folder, *parent.glob("draft-*")):
            shutil.rmtree(old, ignore_errors=True)
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def log(self, process: str) -> Path:
        return self.logs / f"{process}.log"

    def make(self) -> None:
        try:
            for folder in (self.folder, self.logs, self.run):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StackError(f"Cannot write to {self.folder}: {error.strerror}.") from error

    def load(self) -> State | None:
        try:
            return State(**json.loads(self.state_file.read_text()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise StackError(f"{self.state_file} is damaged: run `comeback stack reset` to start anew.") from error

    def load_if_sound(self) -> State | None:
        try:
            return self.load()
        except StackError:
            return None

    def save(self, state: State) -> None:
        self.make()
        _write_private(self.state_file, json.dumps(asdict(state), indent=2) + "\n")
        _write_private(self.folder / "secret", state.secret + "\n")

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """One `up`, `down` or `reset` at a time; the system frees it when the holder dies."""
        self.make()
        with (self.folder / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StackError(
                    f"Another command is starting or stopping the stack in {self.folder}: wait for it, then try again."
                ) from None
            yield


def _write_private(path: Path, text: str) -> None:
    """Whole or not at all, and never readable by others, not even for an instant."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)
