"""docs/contracts is what the code says, and what it says holds together."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

import tools.contracts
from deploy.local.names import SERVICES
from services.profile.schemas import segment
from shared import topics
from shared.clock import wall
from shared.consuming import Consumers
from shared.events import ClockTicked, short_type
from shared.events.codec import EVENTS, decode
from shared.events.profile import OrderPaid
from tools.contracts import traffic
from tools.contracts.documents import documents
from tools.contracts.samples import SAMPLES
from tools.main import app


@pytest.fixture(scope="module")
def wanted() -> dict[str, str]:
    return documents()


def parsed(wanted: dict[str, str], name: str) -> Any:
    return msgspec.json.decode(wanted[name])


def references(document: Any) -> Iterator[str]:
    if isinstance(document, dict):
        yield from (value for key, value in document.items() if key == "$ref")
        document = list(document.values())
    if isinstance(document, list):
        for each in document:
            yield from references(each)


def found(document: Any, reference: str) -> Any:
    for part in reference.removeprefix("#/").split("/"):
        document = document[part]
    return document


def test_the_committed_files_are_what_the_code_says(wanted: dict[str, str]) -> None:
    assert tools.contracts.stale(tools.contracts.FOLDER, wanted) == {}


def test_what_is_missing_other_or_left_over_is_stale_until_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "map.md").write_text("old")
    (tmp_path / "left.json").write_text("{}")
    wanted = {"map.md": "new", "openapi/coupons.json": "{}"}
    assert tools.contracts.stale(tmp_path, wanted) == {
        "left.json": "is left over",
        "map.md": "differs from the code",
        "openapi/coupons.json": "is missing",
    }
    tools.contracts.write(tmp_path, wanted)
    assert tools.contracts.stale(tmp_path, wanted) == {}
    assert not (tmp_path / "left.json").exists()


def test_the_check_names_what_is_stale_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools.contracts, "FOLDER", tmp_path)
    checked = CliRunner().invoke(app, ["contracts", "--check"])
    assert checked.exit_code == 1
    assert "docs/contracts/openapi/coupons.json is missing" in checked.stderr
    assert list(tmp_path.iterdir()) == []
    assert CliRunner().invoke(app, ["contracts"]).exit_code == 0
    assert CliRunner().invoke(app, ["contracts", "--check"]).exit_code == 0


@pytest.mark.parametrize("event", EVENTS, ids=short_type)
def test_every_event_has_a_sample_that_reads_back(event: type, wanted: dict[str, str]) -> None:
    example = wanted[f"examples/{event.__struct_config__.tag}.json"]  # pyright: ignore[reportAttributeAccessIssue]
    assert decode(example.encode()) == SAMPLES[event]


@pytest.mark.parametrize("service", SERVICES)
def test_every_consumer_gets_what_it_waits_for(service: str) -> None:
    assert traffic.deaf(service) == []


def test_a_planted_subscription_without_its_topic_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    planted = Consumers(clocked=[topics.TARGETING])
    planted.on(OrderPaid)(None)  # pyright: ignore[reportArgumentType]
    monkeypatch.setattr(traffic, "consumers_of", lambda _: planted)
    assert traffic.deaf("coupons") == [OrderPaid]


@pytest.mark.parametrize(
    "call",
    [
        {"type": "identify"},
        {"type": "alias", "previousId": "10481"},
        {"type": "group", "groupId": "household"},
        {"type": "page"},
        {"type": "screen"},
        {"type": "track", "event": "Product Viewed"},
        {"type": "track", "event": "Shipment Delivered"},
        *(
            {"type": "track", "event": f"Order {verb}"}
            for verb in ["Placed", "Completed", "Updated", "Refunded", "Cancelled"]
        ),
    ],
    ids=lambda call: call.get("event", call["type"]),
)
def test_the_ingest_door_puts_events_on_the_topics_that_are_documented(call: dict[str, Any]) -> None:
    properties = {"order_id": "o1", "total": "10.00", "currency": "CNY"}
    message = segment.read(msgspec.json.encode({"userId": "10482", "properties": properties, **call}))
    topic, _, event = segment.to_event(message, "m1", wall(), "shop-7")
    assert traffic.topic_of(type(event)) == topic


def test_every_reference_leads_somewhere(wanted: dict[str, str]) -> None:
    for name in wanted:
        if name.endswith(".json") and not name.startswith("examples/"):
            document = parsed(wanted, name)
            for reference in references(document):
                found(document, reference)


def test_asyncapi_has_every_topic_and_says_who_receives_what(wanted: dict[str, str]) -> None:
    document = parsed(wanted, "asyncapi.json")
    assert set(document["channels"]) == set(topics.ALL)
    assert set(document["components"]["messages"]) == {event.__name__ for event in EVENTS}
    operations = document["operations"]
    heard = operations["coupons.receives.targeting-events"]
    names = {reference.rsplit("/", 1)[-1] for reference in references(heard["messages"])}
    assert (heard["action"], names) == ("receive", {"DecisionMade", "ClockTicked"})
    # What feeds back is not waited for, so its clock is not heard.
    back = operations["targeting.receives.coupons-events"]["messages"]
    assert ClockTicked.__name__ not in {reference.rsplit("/", 1)[-1] for reference in references(back)}
    assert not any(name.startswith("metrics.sends") for name in operations)
