"""`comeback bench`: programs that measure. Their JSON names machine, versions and commit."""

from tools.bench.commands import app

__all__ = ["app"]
