"""PostgreSQL refuses to run as root; when we are root, it runs as `nobody` and must be able to reach its files."""

import os
import pwd
import shutil
import stat
from pathlib import Path
from typing import Any

NOBODY = "nobody"


def user() -> str | None:
    return NOBODY if os.geteuid() == 0 else None


def as_user(name: str | None) -> dict[str, Any]:
    """For subprocess: nothing to change when we are not root."""
    if name is None:
        return {}
    return {"user": name, "group": pwd.getpwnam(name).pw_gid, "extra_groups": []}


def give(name: str | None, owned: Path, *read: Path) -> None:
    """Makes `owned` the user's own, and lets it pass through the folders above; `read` (programs) it can read."""
    if name is None:
        return
    entry = pwd.getpwnam(name)
    shutil.chown(owned, entry.pw_uid, entry.pw_gid)
    for path in (owned, *read):
        for folder in path.parents:
            _allow(folder, stat.S_IXOTH)  # to pass through, not to list
    for path in read:
        _open_tree(path)


def _open_tree(top: Path) -> None:
    """Only if they were installed under a strict umask. The wheel's shared libraries lie in a folder beside it."""
    if top.stat().st_mode & stat.S_IROTH:
        return
    for tree in (top, top.with_name(top.name + ".libs")):
        for path in (tree, *tree.rglob("*")):
            _allow(path, stat.S_IROTH | (stat.S_IXOTH if path.stat().st_mode & stat.S_IXUSR else 0))


def _allow(path: Path, bits: int) -> None:
    mode = path.stat().st_mode
    if mode & bits != bits:
        path.chmod(mode | bits)
