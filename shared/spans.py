"""The only file that knows OpenTelemetry: spans of requests and batches, sent by OTLP; `tracing` imports it if on."""

import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from structlog.contextvars import bound_contextvars

from shared.batches import Batch, Item
from shared.events import short_type

_PATH = "/v1/traces"
# A collector that is away holds up nobody who stops.
_EXPORT_SECONDS = 3
_PLUMBING = ("/health", "/metrics")
_CONTEXTS = 100
_SHOWN = 10
_propagator = TraceContextTextMapPropagator()


class Spans:
    """Of one process. Which are recorded is the caller's choice (`sampled`), or the SDK's by its OTEL_* variables."""

    def __init__(self, service: str, endpoint: str) -> None:
        self._service = service
        resource = Resource.create({"service.name": service, "service.namespace": "comeback"})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint.rstrip("/").removesuffix(_PATH) + _PATH, timeout=_EXPORT_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("comeback")

    def stop(self) -> None:
        stopping = threading.Thread(target=self._provider.shutdown, daemon=True)
        stopping.start()
        stopping.join(_EXPORT_SECONDS)

    def here(self) -> str | None:
        """The context of the request that is being answered; None outside of one, or if it is not recorded."""
        return _written(trace.get_current_span())

    @contextmanager
    def request(self, scope: Any) -> Generator[None]:
        if scope["path"].startswith(_PLUMBING):
            yield
            return
        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        with (
            self._tracer.start_as_current_span(
                "request",
                _propagator.extract(carrier),
                kind=SpanKind.SERVER,
                record_exception=False,
                set_status_on_exception=False,
            ) as span,
            bound_contextvars(trace_id=_trace_id(span)),
        ):
            yield

    def answered(self, method: str, route: str, status: int | None, request_id: str) -> None:
        span = trace.get_current_span()
        span.update_name(f"{method} {route}")
        span.set_attributes({"http.request.method": method, "http.route": route, "comeback.request_id": request_id})
        if status is not None:
            span.set_attribute("http.response.status_code", status)
        if status is None or status >= 500:
            span.set_status(StatusCode.ERROR)

    @contextmanager
    def batch(self, batch: Batch, note: Callable[[str, str], None]) -> Generator[None]:
        spans: list[Span] = []
        for parent, items in _by_context(batch.events).items():
            spans.append(self._begin(parent, items, batch.size))
            if written := _written(spans[-1]):
                for item in items:
                    note((item.record.key or b"").decode(errors="replace"), written)
        try:
            with bound_contextvars(**_named(spans)):
                yield
        except Exception as error:
            for span in spans:
                span.set_status(StatusCode.ERROR, type(error).__name__)
            raise
        finally:
            for span in spans:
                span.end()

    def _begin(self, parent: str, items: list[Item], size: int) -> Span:
        record = items[0].record
        types = {short_type(item.kind) for item in items if item.kind is not None}
        return self._tracer.start_span(
            f"process {record.topic}",
            _context(parent),
            kind=SpanKind.CONSUMER,
            attributes={
                "messaging.system": "kafka",
                "messaging.operation.type": "process",
                "messaging.operation.name": "process",
                "messaging.destination.name": record.topic,
                "messaging.destination.partition.id": str(record.partition),
                "messaging.kafka.offset": record.offset,
                "messaging.consumer.group.name": self._service,
                "messaging.batch.message_count": size,
                "comeback.event.types": sorted(types)[:_SHOWN],
            },
        )


def _by_context(items: Iterable[Item]) -> dict[str, list[Item]]:
    """The items of the first contexts that are to be recorded; other people's headers are not believed unread."""
    found: dict[str, list[Item]] = {}
    refused: set[str] = set()
    for item in items:
        parent = _parent(item)
        if parent is None or parent in refused:
            continue
        if parent not in found and (len(found) >= _CONTEXTS or not _sampled(parent)):
            refused.add(parent)
            continue
        found.setdefault(parent, []).append(item)
    return found


def _parent(item: Item) -> str | None:
    for name, value in item.record.headers:
        if name == "traceparent" and value is not None:
            return value.decode("latin-1")
    event = item.said()
    told = event.traceparent if event is not None else None
    return told if isinstance(told, str) else None


def _context(traceparent: str) -> Context:
    return _propagator.extract({"traceparent": traceparent}, Context())


def _sampled(traceparent: str) -> bool:
    context = trace.get_current_span(_context(traceparent)).get_span_context()
    return context.is_valid and context.trace_flags.sampled


def _written(span: Span) -> str | None:
    context = span.get_span_context()
    if not (context.is_valid and context.trace_flags.sampled):
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-01"


def _trace_id(span: Span) -> str:
    return f"{span.get_span_context().trace_id:032x}"


def _named(spans: Iterable[Span]) -> dict[str, list[str]]:
    """For the log lines of a batch: the traces that it goes on with."""
    names = sorted({_trace_id(span) for span in spans})
    return {"trace_ids": names[:_SHOWN]} if names else {}
