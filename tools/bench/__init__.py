"""`comeback bench`: programs that measure; no test runs them. Their JSON names machine, versions and commit."""

from tools.bench.commands import app

__all__ = ["app"]
