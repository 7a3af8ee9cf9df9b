"""`comeback`, as a person types it: keys, parked events, and what it says when something is not there."""

import asyncio
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.local.stack import Stack
from shared.database import connect
from shared.migrations import upgrade
from tools.main import app

SERVICES = ("profile", "segmentation", "targeting", "coupons", "metrics")
runner = CliRunner(env={"COLUMNS": "60"})


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A stack with tables and nothing in them."""
    folder = Path(tempfile.mkdtemp(prefix="comeback-tools-"))
    stack = Stack(folder, ports="free")
    stack.up_servers()
    for service in SERVICES:
        upgrade(service, stack.environment()[f"COMEBACK_{service.upper()}_DATABASE_URL"])
    yield folder
    stack.reset()
    shutil.rmtree(folder)


def comeback(home: Path, *words: str) -> tuple[int, str]:
    result = runner.invoke(app, words, env={"COMEBACK_HOME": str(home)})
    return result.exit_code, result.output


def test_a_key_is_made_listed_and_revoked(home: Path) -> None:
    code, key = comeback(home, "keys", "create", "-s", "coupons:redeem", "--shop", "north")
    assert code == 0
    assert re.fullmatch(r"cbk_live_[0-9a-f]{12}_[0-9a-f]{48}\n", key)
    public = key[:21]
    assert public in comeback(home, "keys", "list")[1].replace("\n", "")
    assert comeback(home, "keys", "revoke", key.strip())[0] == 0
    assert comeback(home, "keys", "revoke", "cbk_live_nobody_x")[0] == 1


def test_a_scope_that_does_not_exist_is_refused(home: Path) -> None:
    code, said = comeback(home, "keys", "create", "-s", "everything")
    assert code == 2
    assert "there is no scope everything" in " ".join(re.sub(r"[│╭╰─╮╯]", " ", said).split())


def test_nothing_parked_is_said(home: Path) -> None:
    assert comeback(home, "events", "parked") == (0, "Nothing is parked.\n")


def test_a_parked_record_is_listed_shown_and_marked_for_a_retry(home: Path) -> None:
    """I13"""

    asyncio.run(_park(Stack(home, ports="free").environment()["COMEBACK_PROFILE_DATABASE_URL"]))
    code, listed = comeback(home, "events", "parked", "profile")
    assert code == 1
    assert "storefront-orders/3/17" in listed
    code, shown = comeback(home, "events", "show", "profile", "storefront-orders/3/17")
    assert code == 0
    assert "a reason" in shown
    assert comeback(home, "events", "retry", "profile", "storefront-orders/3/17")[0] == 0
    assert comeback(home, "events", "retry", "profile", "storefront-orders/3/18")[0] == 1
    assert comeback(home, "events", "show", "profile", "nonsense")[0] == 2
    assert comeback(home, "events", "parked", "nobody")[0] == 2


async def _park(url: str) -> None:

    connection = await connect(url)
    await connection.execute(
        """INSERT INTO parked (topic, partition, record_offset, body, reason)
           VALUES ('storefront-orders', 3, 17, 'x', 'a reason')"""
    )
    await connection.close()


@pytest.mark.parametrize("service", ["profile", "segmentation", "targeting", "coupons"])
def test_a_service_that_knows_nothing_tells_nothing_anew_and_says_that_nobody_relays(home: Path, service: str) -> None:
    code, said = comeback(home, "retell", service)
    assert code == 0
    assert f"{service} has told anew: 0 " in " ".join(said.split())
    assert f"No relay is running: what is told waits in the outbox until {service}'s worker runs." in said
