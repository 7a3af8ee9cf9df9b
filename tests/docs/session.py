"""Runs the blocks of a document as a reader would: one shell, then one Python, with what the shell has exported."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from deploy.local.state import ROOT
from tests.docs.blocks import Block

_MARK = "\x1e"
_SECONDS = 300
# HTTP errors end the script, and a pause lasts until all that was told before it is known everywhere.
_PRELUDE = f"""
set -euo pipefail; shopt -s inherit_errexit
curl() {{ command curl --fail-with-body "$@"; }}
sleep() {{ {shlex.quote(sys.executable)} -m tests.docs.waiting; }}
"""
_PYTHON = """
import contextlib, io, json, sys
names, outputs = {"__name__": "__main__"}, []
for number, code in enumerate(json.load(sys.stdin)):
    with contextlib.redirect_stdout(io.StringIO()) as said:
        exec(compile(code, f"block {number + 1}", "exec"), names)
    outputs.append(said.getvalue())
print(json.dumps(outputs))
"""


def run(document: list[Block], home: Path) -> list[str]:
    """The output of each block; fails with the words of the one that failed."""
    shell = [block for block in document if block.language == "sh"]
    python = document[len(shell) :]
    assert [block.language for block in python] == ["python"] * len(python), "the shell's blocks come first"
    said, environment = _in_shell(shell, _environment(home))
    return said + (_in_python(python, environment) if python else [])


def _environment(home: Path) -> dict[str, str]:
    """The reader's: nothing of another stack, and nothing of the make that runs these tests."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("COMEBACK_", "MAKE", "MFLAGS", "PYTEST"))
    }
    return {**kept, "COMEBACK_HOME": str(home), "ARGS": "--free-ports"}


def _in_shell(blocks: list[Block], environment: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    code = "".join(f"printf '\\036'\n{block.code}" for block in blocks)
    script = f"{_PRELUDE}\n{code}\nprintf '\\036'; env -0"
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=_SECONDS
    )
    outputs = done.stdout.split(_MARK)[1:]
    if done.returncode != 0:
        block = blocks[len(outputs) - 1]
        raise AssertionError(f"the block of line {block.line} failed:\n{block.code}\n{outputs[-1]}\n{done.stderr}")
    exported = dict(pair.split("=", 1) for pair in outputs.pop().split("\0") if "=" in pair)
    return outputs, exported


def _in_python(blocks: list[Block], environment: dict[str, str]) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", _PYTHON],
        input=json.dumps([block.code for block in blocks]),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
