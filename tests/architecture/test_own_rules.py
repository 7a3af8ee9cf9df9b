"""Our own rules hold everywhere, and each of them stops a violation that is planted. style.md, "Three own rules"."""

import ast
from types import SimpleNamespace
from typing import Any

import pytest

from deploy.local import names
from shared import outbox
from shared.events.coupons import CouponExpired
from tests.architecture import rules
from tests.architecture.rules import ROOT, SERVICES
from tools.contracts.samples import SAMPLES

# The storefront's own door: what comes in by HTTP goes out as the storefront's event.
STOREFRONT_DOOR = "services/profile/schemas/making.py"


def parsed(source: str) -> ast.Module:
    return ast.parse(source)


def test_nobody_ends_a_transaction_but_shared() -> None:
    found = {
        path: rules.ends_of_transactions(tree) for path, tree in rules.sources("services", "tools", "demo", "deploy")
    }
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "source",
    [
        "async def act(session): await session.commit()",
        "async def act(session): await session.rollback()",
        "finish = session.commit",
        "async def act(session): await execute(session, 'COMMIT')",
        "async def act(session): await execute(session, ' rollback;')",
    ],
)
def test_a_planted_commit_is_stopped(source: str) -> None:
    assert rules.ends_of_transactions(parsed(source))


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_makes_only_its_own_events(service: str) -> None:
    found = {path: rules.foreign_events(tree, service) for path, tree in rules.sources(f"services/{service}")}
    found.pop(STOREFRONT_DOOR, None)
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "source",
    [
        "from shared.events.coupons import CouponIssued\nCouponIssued(id='1')",
        "from shared.events.coupons import CouponIssued as Given\nGiven(id='1')",
        "from shared.events import coupons as events\nevents.CouponIssued(id='1')",
        "import shared.events.coupons\nshared.events.coupons.CouponIssued(id='1')",
    ],
)
def test_a_planted_event_of_another_service_is_stopped(source: str) -> None:
    assert rules.foreign_events(parsed(source), "targeting")
    assert not rules.foreign_events(parsed(source), "coupons")


def test_names_of_events_are_unique() -> None:
    assert len(rules.PRODUCERS) == len(rules.EVENTS)


def test_an_event_of_another_service_is_stopped_when_it_is_emitted() -> None:
    session: Any = SimpleNamespace(info={"service": "targeting"})
    with pytest.raises(AssertionError, match="targeting may not emit CouponExpired"):
        outbox.emit(session, [("cus_1", SAMPLES[CouponExpired])])


def test_there_are_as_many_services_as_the_stack_starts() -> None:
    assert set(SERVICES) == set(names.SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_all_services_have_the_same_files(service: str) -> None:
    assert rules.odd_files(rules.files_of(ROOT / "services" / service)) == []


def test_a_planted_file_of_another_name_is_stopped() -> None:
    assert rules.odd_files(rules.REQUIRED | {"clients"}) == []
    assert rules.odd_files(rules.REQUIRED | {"helpers"}) == ["helpers is no file of a service"]
    assert rules.odd_files(rules.REQUIRED - {"timers"}) == ["timers is missing"]


@pytest.mark.parametrize("service", SERVICES)
def test_every_consumer_is_called_after_its_event(service: str) -> None:
    trees = [tree for path, tree in rules.sources(f"services/{service}") if "/consumers" in path]
    assert [line for tree in trees for line in rules.odd_consumers(tree)] == []


def test_a_planted_consumer_of_another_name_is_stopped() -> None:
    source = "@consumers.on(CouponRedeemed)\nasync def {}(session, events): ..."
    assert not rules.odd_consumers(parsed(source.format("on_coupon_redeemed")))
    assert rules.odd_consumers(parsed(source.format("on_redemption")))


@pytest.mark.parametrize("service", SERVICES)
def test_domain_knows_the_standard_library_and_errors_only(service: str) -> None:
    own = f"services.{service}"
    found = {
        path: rules.foreign_imports(tree, f"{own}.domain", f"{own}.errors", "shared.errors")
        for path, tree in rules.sources(own.replace(".", "/"))
        if path.startswith(f"services/{service}/domain")
    }
    assert found
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize("service", SERVICES)
def test_migrations_know_their_own_tables_only(service: str) -> None:
    allowed = (f"services.{service}.models", "shared.migrations", "alembic", "sqlalchemy")
    found = {
        path: rules.foreign_imports(tree, *allowed) for path, tree in rules.sources(f"services/{service}/migrations")
    }
    assert found
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import numpy",
        "from shared.clock import wall",
        "import services.coupons.models",
        "from services.coupons import models",
        "from services.metrics.domain import figures",
        "def act():\n    import pydantic",
    ],
)
def test_a_planted_import_of_more_is_stopped(source: str) -> None:
    assert rules.foreign_imports(parsed(source), "services.coupons.domain", "services.coupons.errors", "shared.errors")
