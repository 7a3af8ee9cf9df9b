"""Targeting on a database of its own."""

import pytest

from tests.conftest import FreshDatabase
from tests.targeting.making import World


@pytest.fixture
async def world(fresh_database: FreshDatabase) -> World:
    return World(await fresh_database("targeting"))
