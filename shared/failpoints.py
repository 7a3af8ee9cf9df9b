"""Places where a test may have this process killed. Off, as they are everywhere else, they cost one comparison."""

import os
import random
import signal

_armed: tuple[str, float] | None = None


def arm(spec: str) -> None:
    """`name:probability`, as COMEBACK_FAILPOINT says; empty arms nothing."""
    global _armed
    name, _, probability = spec.partition(":")
    _armed = (name, float(probability or 1)) if name else None


def hit(name: str) -> None:
    """Dies here by SIGKILL, as a machine that loses power would, if this place is armed and chance has it."""
    if _armed is not None and _armed[0] == name and random.random() < _armed[1]:
        os.kill(os.getpid(), signal.SIGKILL)
