"""One whole system, Kafka, PostgreSQL and the ten processes on free ports, for all tests of this folder."""

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local.names import SERVICES
from deploy.local.stack import Stack
from shared.http import keys


@dataclass(frozen=True)
class System:
    stack: Stack
    environment: dict[str, str]

    @property
    def key(self) -> str:
        """A key that may do everything."""
        return self.environment["COMEBACK_API_KEY"]

    def url(self, service: str) -> str:
        return self.environment[f"COMEBACK_{service.upper()}_URL"]

    def add_key(self, service: str, scopes: Sequence[str], shop_id: str | None = None) -> str:
        return self._add([service], scopes, shop_id)

    def add_everywhere(self, scopes: Sequence[str], shop_id: str | None = None) -> str:
        """One key that all services know."""
        return self._add(SERVICES, scopes, shop_id)

    def _add(self, services: Sequence[str], scopes: Sequence[str], shop_id: str | None) -> str:
        key = f"cbk_live_{secrets.token_hex(4)}_{secrets.token_hex(16)}"
        for service in services:
            database = self.environment[f"COMEBACK_{service.upper()}_DATABASE_URL"]
            asyncio.run(keys.add_key(database, self.stack.secret, key, list(scopes), shop_id))
        return key


@pytest.fixture(scope="session")
def system() -> Iterator[System]:
    # Not pytest's own folder: another run would lock PostgreSQL, which is no root, out of it.
    folder = Path(tempfile.mkdtemp(prefix="comeback-http-"))
    stack = Stack(folder, ports="free")
    stack.up(clock="wall")
    yield System(stack, stack.environment())
    stack.reset()
    shutil.rmtree(folder)
