"""What segmentation reads from the environment."""

from pydantic import Field

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    tick_piece: int = Field(
        10_000, ge=1, description="customers whom a worker decides about at once; of more, all workers take their share"
    )
