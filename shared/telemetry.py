"""Logs as JSON lines on standard output: one for each batch and each request, and one for whatever went wrong."""

import logging
import sys

import structlog

log: structlog.stdlib.BoundLogger = structlog.get_logger()


def configure(service: str, process: str, level: str) -> None:
    """To be called once, by the two roots of a service."""
    number = logging.getLevelNamesMapping()[level.upper()]
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(),
    ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
    )
    structlog.contextvars.bind_contextvars(service=service, process=process)
    logging.basicConfig(
        stream=sys.stdout, level=logging.WARNING, format='{"level":"warning","logger":"%(name)s","event":"%(message)s"}'
    )
