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
        # A reason may quote the data, and the data may be what PostgreSQL refuses.
        [record.reason.replace("\x00", "\\0")[:2000] for record in records],
    )
