"""Runs the two scripts that hold Segment's SDKs for Node and browsers, and reads what they say."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.sdks.install import FOLDER, find_chromium


def run(script: str, **told: Any) -> dict[str, Any]:
    with running(script, **told) as process:
        return result_of(process)


@contextmanager
def running(script: str, **told: Any) -> Iterator[subprocess.Popen[str]]:
    """Started, and not waited for."""
    if script == "browser.mjs":
        told["chromium"] = find_chromium()
    command = ["node", script, json.dumps(told)]
    with subprocess.Popen(command, cwd=FOLDER, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def result_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return json.loads(out)
