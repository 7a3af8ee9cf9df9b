"""What others told of customers: that they exist, their stages and memberships, and what they have just entered."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from services.targeting.domain import Cause, Kind, Known
from shared.database import ReadSession, Session, as_array, as_columns, execute, fetch, unnest


class Stage(NamedTuple):
    """A customer's current stage as one event tells it; the latest `(decided_at, since, change_id)` wins."""

    customer_id: str
    stage: str | None
    since: datetime
    version: int
    decided_at: datetime
    change_id: str

    @property
    def rank(self) -> tuple[datetime, datetime, str]:
        return (self.decided_at, self.since, self.change_id)


class Membership(NamedTuple):
    """Whether a customer is in a segment, and since when; the latest `(decided_at, since, version, member)` wins."""

    segment_id: str
    customer_id: str
    member: bool
    since: datetime
    decided_at: datetime
    version: int

    @property
    def key(self) -> tuple[str, str]:
        return (self.segment_id, self.customer_id)

    @property
    def rank(self) -> tuple[datetime, datetime, int, bool]:
        return (self.decided_at, self.since, self.version, self.member)


async def add_customers(session: Session, customer_ids: set[str]) -> None:
    """The customers are known."""
    await execute(
        session,
        f"INSERT INTO known_customers (customer_id) SELECT * FROM {unnest('text')} ON CONFLICT DO NOTHING",
        as_array(sorted(customer_ids)),
    )


async def upsert_stages(session: Session, stages: Sequence[Stage]) -> None:
    """The customers' current stages are these, unless a later tick told otherwise."""
    latest = {stage.customer_id: stage for stage in sorted(stages, key=lambda stage: stage.rank)}
    rows = sorted(latest.values(), key=lambda stage: stage.customer_id)
    if not rows:
        return
    await execute(
        session,
        f"""INSERT INTO known_customers AS k
                  (customer_id, stage, stage_since, stage_version, stage_decided_at, stage_change_id)
           SELECT * FROM {unnest("text text timestamptz bigint timestamptz text")}
           ON CONFLICT (customer_id) DO UPDATE SET stage = excluded.stage, stage_since = excluded.stage_since,
                  stage_version = excluded.stage_version, stage_decided_at = excluded.stage_decided_at,
                  stage_change_id = excluded.stage_change_id
           WHERE k.stage_decided_at IS NULL
              OR (excluded.stage_decided_at, excluded.stage_since, excluded.stage_change_id COLLATE "C")
                 > (k.stage_decided_at, k.stage_since, k.stage_change_id)""",
        *as_columns(rows),
    )


async def upsert_memberships(session: Session, memberships: Sequence[Membership]) -> None:
    """The customers are or are not members, unless a later tick told otherwise. Who left is kept, as a tombstone."""
    latest = {membership.key: membership for membership in sorted(memberships, key=lambda each: each.rank)}
    rows = sorted(latest.values(), key=lambda membership: membership.key)
    await execute(
        session,
        f"""INSERT INTO known_memberships AS k (segment_id, customer_id, member, since, decided_at, segment_version)
           SELECT * FROM {unnest("text text bool timestamptz timestamptz bigint")}
           ON CONFLICT (segment_id, customer_id) DO UPDATE SET member = excluded.member, since = excluded.since,
                  decided_at = excluded.decided_at, segment_version = excluded.segment_version
           WHERE (excluded.decided_at, excluded.since, excluded.segment_version, excluded.member)
                 > (k.decided_at, k.since, k.segment_version, k.member)""",
        *as_columns(rows),
    )


async def add_causes(session: Session, causes: Sequence[Cause]) -> None:
    """The next tick looks at these. Updated when already there: a tick that is taking it away must not swallow it."""
    latest = {_key(cause): cause for cause in sorted(causes, key=lambda cause: (cause.decided_at, cause.rule_version))}
    rows = [cause for _, cause in sorted(latest.items())]
    if not rows:
        return
    await execute(
        session,
        f"""INSERT INTO pending_causes AS p (caused_at, customer_id, kind, name, decided_at, rule_version)
           SELECT * FROM {unnest("timestamptz text text text timestamptz bigint")}
           ON CONFLICT (caused_at, customer_id, kind, name) DO UPDATE
           SET decided_at = excluded.decided_at, rule_version = excluded.rule_version
           WHERE (excluded.decided_at, excluded.rule_version) > (p.decided_at, p.rule_version)""",
        *as_columns((*_key(cause), cause.decided_at, cause.rule_version) for cause in rows),
    )


def _key(cause: Cause) -> tuple[datetime, str, str, str]:
    return (cause.caused_at, cause.customer_id, cause.kind, cause.name)


async def take_causes(session: Session, until: datetime | None, limit: int) -> list[Cause]:
    """Takes the earliest causes away, those up to an instant if one is given."""
    rows = await fetch(
        session,
        """DELETE FROM pending_causes WHERE ctid = ANY (ARRAY(
               SELECT ctid FROM pending_causes WHERE $1::timestamptz IS NULL OR caused_at <= $1
               ORDER BY caused_at, customer_id, kind, name LIMIT $2)) RETURNING *""",
        until,
        limit,
    )
    return sorted(map(_cause, rows), key=_key)


def _cause(row: Any) -> Cause:
    return Cause(
        Kind(row["kind"]), row["name"], row["customer_id"], row["caused_at"], row["decided_at"], row["rule_version"]
    )


async def get_known(session: ReadSession, customer_ids: list[str]) -> dict[str, Known]:
    """What is known of each customer that is known at all."""
    rows = await fetch(
        session,
        """SELECT customer_id, stage, stage_since, stage_version FROM known_customers WHERE customer_id = ANY($1)""",
        customer_ids,
    )
    return {row["customer_id"]: Known(row["stage"], row["stage_since"], row["stage_version"]) for row in rows}


async def get_memberships(session: ReadSession, keys: list[tuple[str, str]]) -> dict[tuple[str, str], Any]:
    """Of these (segment, customer) pairs those that are members: since when."""
    rows = await fetch(
        session,
        """SELECT segment_id, customer_id, since FROM known_memberships
           JOIN unnest($1::text[], $2::text[]) AS asked(segment_id, customer_id) USING (segment_id, customer_id)
           WHERE member""",
        [segment_id for segment_id, _ in keys],
        [customer_id for _, customer_id in keys],
    )
    return {(row["segment_id"], row["customer_id"]): row["since"] for row in rows}
