"""`make test-sdks`: what the SDKs' tests need besides Python: their Node packages, and a Chromium."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
_STAMP = FOLDER / "node_modules" / ".installed"
_NODE = 20
# Debian's name first; `COMEBACK_CHROMIUM` says another one.
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class Missing(Exception):
    """What cannot be installed from here, and how to."""


def find_chromium() -> str | None:
    given = os.environ.get("COMEBACK_CHROMIUM")
    return given or next((found for name in _BROWSERS if (found := shutil.which(name))), None)


def main() -> int:
    try:
        check_node()
        install_packages()
        install_chromium()
    except Missing as missing:
        sys.stderr.write(f"comeback: {missing}\n")
        return 2
    return 0


def check_node() -> None:
    if shutil.which("npm") is None or shutil.which("node") is None:
        raise Missing(f"Node {_NODE} or newer with npm is needed: install it and run `make test-sdks` again.")
    found = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(found.lstrip("v").split(".")[0]) < _NODE:
        raise Missing(f"Node {_NODE} or newer is needed and this is {found}: install one and run it again.")


def install_packages() -> None:
    wanted = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()
    if _STAMP.exists() and _STAMP.read_text() == wanted:
        return
    sys.stderr.write("Installing what tests/sdks/package-lock.json names ...\n")
    done = subprocess.run(["npm", "ci", "--ignore-scripts", "--silent"], cwd=FOLDER)
    if done.returncode != 0:
        raise Missing("npm could not install them: check the network (or npm's own settings) and run it again.")
    _STAMP.write_text(wanted)


def install_chromium() -> None:
    if find_chromium() is not None:
        return
    if shutil.which("apt-get") is None:
        raise Missing("There is no Chromium: install one, or say where it is: COMEBACK_CHROMIUM=/path/to/chromium.")
    if os.geteuid() != 0:
        raise Missing("There is no Chromium, and only root may install it: `sudo apt-get install chromium`.")
    sys.stderr.write("Installing Debian's chromium ...\n")
    for command in (["update", "-qq"], ["install", "-qq", "--yes", "--no-install-recommends", "chromium"]):
        done = subprocess.run(
            ["apt-get", *command], env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, stdout=subprocess.DEVNULL
        )
        if done.returncode != 0:
            raise Missing(f"`apt-get {command[0]}` failed; its own words are above.")


if __name__ == "__main__":
    sys.exit(main())
