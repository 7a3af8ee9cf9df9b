"""The two independent readings of the set, loaded once; used by all tests in this folder."""

import pytest

from demo.history import History, load_history
from demo.reference import Reference, compute


@pytest.fixture(scope="session")
def reference() -> Reference:
    return compute()


@pytest.fixture(scope="session")
def history() -> History:
    return load_history()
