"""`make lock`: renews requirements.lock (Python) and deploy/local/jgo.lock.toml (Kafka's jars).

Neither may name a registry: people install from whichever index or mirror they have configured.
"""

import re
import subprocess
import sys
from pathlib import Path

from deploy.local import jars
from deploy.local.state import ROOT
from tools.output import complain

BIN = Path(sys.executable).parent
REQUIREMENTS = ROOT / "requirements.lock"
COMPILE = ["pip", "compile", "pyproject.toml", "--all-extras", "--universal", "--python-version", "3.11", "--upgrade"]
FORM = ["--generate-hashes", "--no-annotate", "--custom-compile-command", "make lock", "--quiet"]
HOST = re.compile(r"https?://|--(extra-)?index-url|--find-links")


def main() -> int:
    subprocess.run([BIN / "uv", *COMPILE, *FORM, "--output-file", REQUIREMENTS], cwd=ROOT, check=True)
    subprocess.run([BIN / "jgo", "--class-path-only", "lock"], cwd=jars.LOCK.parent, check=True)
    for path in (REQUIREMENTS, jars.LOCK):
        if found := HOST.search(path.read_text()):
            complain(f"{path} must not say where to download from, but holds {found[0]}")
            return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        complain(f"{Path(error.cmd[0]).name} failed; its own words are above.")
        sys.exit(2)
