"""The benches run and write what they promise; how fast they found the machine is nobody's business here."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from shared import topics
from tools.bench.calling import batches
from tools.bench.load import Load
from tools.bench.measuring import percentile
from tools.main import app

AT = datetime(2026, 1, 1, tzinfo=UTC)
WORKERS = {f"{service}-worker" for service in ("profile", "segmentation", "targeting", "coupons", "metrics")}


def bench(tmp_path: Path, *words: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["bench", *words, "--json", str(tmp_path / "found.json")])
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "found.json").read_text())
    assert {"machine", "system", "python", "versions", "commit"} <= found.keys()
    return found


def test_the_same_seed_is_the_same_load() -> None:
    one, same, other = (Load(100, seed).events(500, AT) for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_a_fifth_of_the_load_are_orders_and_the_first_customer_comes_most_often() -> None:
    told = Load(100).events(5_000, AT)
    assert 900 < len(told[topics.STOREFRONT_ORDERS]) < 1_100
    names = [name for events in told.values() for name, _ in events]
    assert len(names) == 5_000
    assert names.count("customer-0") > 1.5 * names.count("customer-1") > 3 * names.count("customer-9")


def test_only_those_who_are_active_do_something_and_they_are_spread_among_all() -> None:
    told = Load(1_000, active=10).events(2_000, AT)
    names = {name for events in told.values() for name, _ in events}
    assert names == {f"customer-{number}" for number in range(0, 1_000, 100)}
    assert len(list(Load(1_000, active=10).identities(AT))) == 1_000


def test_ninety_nine_of_a_hundred_stay_below_the_99th_percentile() -> None:
    values = [float(value) for value in range(1, 101)]
    assert percentile(values, 0.5) == 51
    assert percentile(values, 0.99) == 100
    assert percentile(values, 1) == 100


def test_the_pipeline_applies_all_that_waited(tmp_path: Path) -> None:
    """B1"""
    found = bench(tmp_path, "pipeline", "--events", "10000", "--customers", "500", "--known")
    assert found["events_per_second"] > 0
    workers = {*WORKERS, "profile-worker-2", "segmentation-worker-2"}
    assert found["cpu_us_per_event"].keys() >= workers
    assert found["peak_resident_mib"].keys() == workers
    assert all(found["ceilings"].values())


def test_every_first_order_is_seen_in_its_segment_and_as_a_coupon(tmp_path: Path) -> None:
    """B3"""
    found = bench(tmp_path, "freshness", "--rate", "200", "--seconds", "5", "--customers", "5000")
    assert found["membership"]["count"] == found["coupon"]["count"] > 50
    assert found["by_time"]["count"] == 1_000
    assert 0 < found["coupon"]["p50_ms"] <= found["coupon"]["p99_ms"] <= found["coupon"]["max_ms"]


def test_all_that_was_acknowledged_over_http_is_in_kafka_and_every_share_is_told(tmp_path: Path) -> None:
    """B7"""
    found = bench(tmp_path, "ingest", "--events", "10000", "--callers", "4")
    assert found["acknowledged"] == found["in_kafka"] == 10_000
    assert found["statuses"] == {"200": 100}
    assert found["cpu_seconds"].keys() == found["cpu_us_per_event"].keys() - {"total"}
    for process in ("profile", "kafka", "load-generator"):
        assert found["cpu_us_per_event"][process] > 0
    assert 0 < found["p50_ms"] <= found["p99_ms"]


def test_every_call_of_the_load_has_a_message_id_of_its_own() -> None:
    calls = [call for body in batches(20, AT) for call in json.loads(body)["batch"]]
    assert len(calls) == len({call["messageId"] for call in calls}) == 2_000
    assert {call["event"] for call in calls} == {"Order Completed", "Product Viewed"}
