"""Records that could not be applied: kept whole, with the reason, until somebody retries them."""

from dataclasses import dataclass

from shared.database import Session, execute


@dataclass(frozen=True, slots=True)
class Parked:
    topic: str
    partition: int
    offset: int
    key: bytes | None
    body: bytes | None
    reason: str


async def add_parked(session: Session, records: list[Parked]) -> None:
    if not records:
        return
    await execute(
        session,
        """INSERT INTO parked (topic, partition, record_offset, key, body, reason)
           SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bytea[], $5::bytea[], $6::text[])
           ON CONFLICT (topic, partition, record_offset) DO UPDATE
           SET attempts = parked.attempts + 1, reason = excluded.reason, retry_requested_at = NULL""",
        [record.topic for record in records],
        [record.partition for record in records],
        [record.offset for record in records],
        [record.key for record in records],
        [record.body for record in records],
        [_storable(record.reason) for record in records],
    )


def reason_of(error: Exception) -> str:
    """Why a record is parked, as it can be stored and logged."""
    return _storable(f"{type(error).__name__}: {error}")


def _storable(reason: str) -> str:
    """A reason may quote the data, and the data may be what PostgreSQL refuses."""
    return reason.replace("\x00", "\\0").encode(errors="backslashreplace").decode()[:2000]
