"""The dashboards show what is measured, all of it, and nothing else; the page that explains it leaves nothing out."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Metric

from deploy.local.names import PORTS, SERVICES
from shared import metrics
from tests.architecture.rules import ROOT

DASHBOARDS = sorted((ROOT / "deploy" / "dashboards").glob("*.json"))
PAGE = ROOT / "docs" / "runbooks" / "metrics.md"
# What the library tells of any process, on Linux.
OF_PROCESSES = {"process_resident_memory_bytes", "process_cpu_seconds_total"}
# `job` and `instance` come from the scrape, `le` from histograms.
OF_PROMETHEUS = {"job", "instance", "le"}
ENDINGS = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}
WORDS = {"by", "without", "on", "ignoring", "group_left", "group_right", "and", "or", "unless", "bool", "offset"}
NAME = r"[a-zA-Z_][a-zA-Z0-9_]*"


def families() -> list[Metric]:
    """What is declared in shared/metrics.py."""
    found = [each for registry in (metrics.HTTP, metrics.WORKER) for each in registry.collect()]
    return [each for each in found if each.name.startswith("comeback_")]


def series(family: Metric) -> set[str]:
    return {family.name + ending for ending in ENDINGS[family.type]}


def known_labels() -> set[str]:
    declared = [each for each in vars(metrics).values() if hasattr(each, "_labelnames")]
    return {label for each in declared for label in each._labelnames} | OF_PROMETHEUS


KNOWN = {name for family in families() for name in series(family)} | OF_PROCESSES


def expressions(dashboard: dict[str, Any]) -> list[str]:
    panels = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    choices = [each["query"] for each in dashboard["templating"]["list"] if each["query"].startswith("label_values")]
    return panels + [re.sub(r"label_values\((.*), \w+\)", r"\1", each) for each in choices]


def names_in(expression: str) -> set[str]:
    """All that is no string, label, duration, number, function or word of PromQL: the metrics."""
    bare = re.sub(r'"[^"]*"', "", expression)
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]", "", bare)
    bare = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", "", bare)
    return set(re.findall(rf"(?<![\w.]){NAME}\b(?!\s*\()", bare)) - WORDS


def labels_in(expression: str) -> set[str]:
    grouped = re.findall(r"\b(?:by|without)\s*\(([^)]*)\)", expression)
    chosen = re.findall(rf'({NAME})\s*(?:=~|!~|!=|=)\s*"', expression)
    return {each.strip() for group in grouped for each in group.split(",")} | set(chosen)


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def test_there_are_four_dashboards_each_with_a_name_of_its_own() -> None:
    assert len(DASHBOARDS) == 4
    assert len({read(path)["uid"] for path in DASHBOARDS}) == 4
    assert len({read(path)["title"] for path in DASHBOARDS}) == 4


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_metric_and_label_of_a_dashboard_exists(path: Path) -> None:
    found = expressions(read(path))
    assert len(found) > len(read(path)["panels"])
    for expression in found:
        assert names_in(expression), expression
        assert names_in(expression) - KNOWN == set(), expression
        assert labels_in(expression) - known_labels() == set(), expression


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("sum(rate(comeback_nothing_total[1m]))", {"comeback_nothing_total"}),
        ('up{job="profile"} == 0', {"up"}),
        ("sum by (job) (rate(a_sum[1m])) / on (job) group_left () b_count * 1000", {"a_sum", "b_count"}),
        ("histogram_quantile(0.99, sum by (job, le) (rate(comeback_typo_bucket[5m])))", {"comeback_typo_bucket"}),
    ],
)
def test_a_planted_metric_is_seen(expression: str, names: set[str]) -> None:
    assert names_in(expression) == names
    assert names - KNOWN


def test_a_planted_label_is_seen() -> None:
    assert labels_in('sum by (job, shop) (a{customer=~"x", le="1"})') - known_labels() == {"shop", "customer"}


def test_every_metric_is_on_a_dashboard() -> None:
    shown = {name for path in DASHBOARDS for expression in expressions(read(path)) for name in names_in(expression)}
    assert [family.name for family in families() if not series(family) & shown] == []


def test_every_metric_is_explained() -> None:
    rows = {line.split("`")[1]: line for line in PAGE.read_text().splitlines() if line.startswith("| `")}
    wanted = {family.name + ("_total" if family.type == "counter" else "") for family in families()}
    assert rows.keys() == wanted
    assert all(len([cell for cell in line.split("|") if cell.strip()]) == 4 for line in rows.values())


def test_names_say_their_unit() -> None:
    units = ("_seconds", "_records", "_rows", "_events", "_total")
    for family in families():
        assert all(name.endswith(units) for name in series(family) if family.type != "histogram"), family.name
        assert family.name.endswith(units) or family.type == "counter", family.name


def test_what_is_scraped_are_the_ports_of_the_local_stack() -> None:
    text = (ROOT / "deploy" / "dashboards" / "prometheus.yml").read_text()
    jobs = {
        job: re.findall(r":(\d+)", line) for line in text.splitlines() for job in re.findall(r"job_name: (\w+)", line)
    }
    assert jobs == {name: [str(PORTS[name]), str(PORTS[f"{name}-worker"])] for name in SERVICES}
