"""Prints the ends of log files, and what is added to them, each line with the name of its process."""

import time
from collections import deque
from pathlib import Path
from typing import TextIO

import typer

PAUSE_SECONDS = 0.2


def follow(paths: dict[str, Path], lines: int, forever: bool) -> None:
    width = max((len(name) for name in paths), default=0) if len(paths) > 1 else 0
    opened = {f"{name:<{width}} | " if width else "": path.open(errors="replace") for name, path in paths.items()}
    for prefix, file in opened.items():
        for line in deque(file, maxlen=lines):
            typer.echo(prefix + line.rstrip("\n"))
    while forever:
        if sum(_print_new(prefix, file) for prefix, file in opened.items()) == 0:
            time.sleep(PAUSE_SECONDS)


def _print_new(prefix: str, file: TextIO) -> int:
    lines = file.read().splitlines()
    for line in lines:
        typer.echo(prefix + line)
    return len(lines)
