"""What profile reads from the environment beside what every service does."""

from pydantic import Field

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    ingest_room_bytes: int = Field(
        32_000_000, ge=4_000_000, description="what the ingest door holds while Kafka is behind, before it answers 429"
    )
