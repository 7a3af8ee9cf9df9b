"""`comeback import`: a shop's own history, from files into the storefront's topics."""

from tools.importing.command import app

__all__ = ["app"]
