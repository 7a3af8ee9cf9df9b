"""The variables that every process reads. Built once by a service's `app.py` or `worker.py` and passed down."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="COMEBACK_", extra="ignore")

    database_url: str = Field(description="postgresql://role:password@host:port/database of this service")
    kafka_bootstrap: str = Field(description="host:port of a Kafka broker, several parted by commas")
    kafka_session_seconds: int = Field(30, ge=6, description="how long a worker that was killed keeps its partitions")
    secret: str = Field(min_length=16, description="keys the hashes that ids, codes and API keys are made of")
    clock: Literal["wall", "stream"] = Field(
        "wall", description="wall: profile's worker ticks; stream: a replayer does"
    )
    http_host: str = Field("127.0.0.1", description="address that the HTTP process listens on")
    http_port: int = Field(8000, description="port of the HTTP process")
    statement_seconds: float = Field(20, gt=0, description="how long one statement of an HTTP request may take")
    metrics_host: str = Field("127.0.0.1", description="address that a worker answers its /metrics on")
    metrics_port: int = Field(0, description="where a worker answers with its /metrics; 0: nowhere")
    otlp_endpoint: str = Field("", description="http://host:port that takes traces by OTLP/HTTP; empty: no tracing")
    failpoint: str = Field("", description="name:probability of a place to be killed at; for tests only")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="the least that is logged")
