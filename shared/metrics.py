"""What a process tells Prometheus at /metrics: each figure is declared here and set where it happens.

No label grows with the data: topics, partitions, types of events, codes and routes are all declared in code.
"""

from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.exposition import choose_encoder

from shared.telemetry import log

disable_created_metrics()  # a third more series, which nobody asks for
# Two, so that no process shows zeros of what only the other kind knows.
HTTP = CollectorRegistry()
WORKER = CollectorRegistry()
for _registry in (HTTP, WORKER):
    ProcessCollector(registry=_registry)

REQUESTS = Histogram(
    "comeback_http_request_duration_seconds",
    "How long requests took, by the route's template",
    ["route", "method", "status"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
    registry=HTTP,
)
REFUSALS = Counter("comeback_refusals_total", "Answers that were problems, by code", ["code"], registry=HTTP)

BATCH_RECORDS = Histogram(
    "comeback_batch_records",
    "Records of a batch, which is one transaction",
    buckets=(1, 10, 50, 100, 500, 1_000, 2_500, 5_000),
    registry=WORKER,
)
BATCH_DURATION = Histogram(
    "comeback_batch_duration_seconds",
    "How long a batch took, its clock and its commit included",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60),
    registry=WORKER,
)
EVENTS_APPLIED = Counter("comeback_events_applied_total", "Events that took effect", ["type"], registry=WORKER)
PARKED = Counter("comeback_parked_total", "Records put aside: unreadable, or refused", ["reason"], registry=WORKER)
PARKED_ROWS = Gauge("comeback_parked_rows", "Records put aside and not yet retried", registry=WORKER)
LAG_EVENTS = Gauge(
    "comeback_lag_events", "Records of the log that are not applied yet", ["topic", "partition"], registry=WORKER
)
LAG_SECONDS = Gauge("comeback_lag_seconds", "How far the clock is behind the newest instant known", registry=WORKER)
CLOCK = Gauge("comeback_clock_timestamp_seconds", "The service's clock; 0 before the first tick", registry=WORKER)
OUTBOX_ROWS = Gauge("comeback_outbox_rows", "Rows that the relay has not published yet", registry=WORKER)
OUTBOX_AGE = Gauge("comeback_outbox_oldest_age_seconds", "Age of the oldest of them", registry=WORKER)
REBALANCES = Counter("comeback_rebalances_total", "How often partitions were given to this process", registry=WORKER)
OVERTAKEN = Counter(
    "comeback_overtaken_total", "Batches undone because somebody else had moved a position", registry=WORKER
)


def page(accept: str) -> tuple[bytes, str]:
    """The figures of an HTTP process, and the media type in which the asker gets them."""
    encode, media_type = choose_encoder(accept)
    return encode(HTTP), media_type


def listen(host: str, port: int) -> Any:
    """Answers with the figures of a worker, in a thread of its own; its server, or None where the port is taken."""
    try:
        return start_http_server(port, host, WORKER)[0]
    except OSError as error:
        # A worker that nobody can look at still works.
        log.warning("metrics.unavailable", host=host, port=port, reason=repr(error))
        return None
