"""Decisions, and what became of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from services.targeting.domain import Decision
from services.targeting.errors import CustomerNotFound, DecisionNotFound
from shared.database import ReadSession, Session, as_columns, execute, fetch, fetch_one, fetch_value, unnest

_SELECT = """SELECT d.*, o.outcome, o.code AS outcome_code, o.coupon_id, o.coupon_code, o.at AS outcome_at
             FROM decisions AS d LEFT JOIN decision_outcomes AS o USING (decision_id)"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What coupons answered to a decision."""

    decision_id: str
    outcome: str
    at: datetime
    code: str | None = None
    coupon_id: str | None = None
    coupon_code: str | None = None


async def add_decisions(session: Session, decisions: Sequence[Decision]) -> list[Decision]:
    """Records the decisions that are new, in the order given, and returns those."""
    added = await fetch(
        session,
        """INSERT INTO decisions (decision_id, campaign_id, campaign_version, customer_id, arm, reasons, cause,
                  caused_at, decided_at, stage, stage_since, rule_versions)
           SELECT decision_id, campaign_id, campaign_version, customer_id, arm, string_to_array(reasons, ','), cause,
                  caused_at, decided_at, stage, stage_since, rule_versions::jsonb
           FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[],
                       $8::timestamptz[], $9::timestamptz[], $10::text[], $11::timestamptz[], $12::text[])
                WITH ORDINALITY AS n(decision_id, campaign_id, campaign_version, customer_id, arm, reasons, cause,
                                     caused_at, decided_at, stage, stage_since, rule_versions, place)
           ORDER BY place ON CONFLICT DO NOTHING RETURNING decision_id""",
        [decision.decision_id for decision in decisions],
        [decision.campaign_id for decision in decisions],
        [decision.campaign_version for decision in decisions],
        [decision.customer_id for decision in decisions],
        [decision.arm for decision in decisions],
        # unnest flattens arrays of arrays, so a row's reasons travel as one text.
        [",".join(decision.reasons) for decision in decisions],
        [decision.cause for decision in decisions],
        [decision.caused_at for decision in decisions],
        [decision.decided_at for decision in decisions],
        [decision.stage for decision in decisions],
        [decision.stage_since for decision in decisions],
        [msgspec.json.encode(decision.rule_versions).decode() for decision in decisions],
    )
    new = {row["decision_id"] for row in added}
    return [decision for decision in decisions if decision.decision_id in new]


async def add_outcomes(session: Session, outcomes: Sequence[Outcome]) -> None:
    """Keeps what became of decisions; what was told first stays."""
    rows = sorted({outcome.decision_id: outcome for outcome in outcomes}.values(), key=lambda o: o.decision_id)
    await execute(
        session,
        f"""INSERT INTO decision_outcomes (decision_id, outcome, code, coupon_id, coupon_code, at)
           SELECT * FROM {unnest("text text text text text timestamptz")} ON CONFLICT DO NOTHING""",
        *as_columns((row.decision_id, row.outcome, row.code, row.coupon_id, row.coupon_code, row.at) for row in rows),
    )


async def get_decision(session: ReadSession, decision_id: str) -> Any:
    """A decision with its outcome; raises DecisionNotFound."""
    row = await fetch_one(session, f"{_SELECT} WHERE decision_id = $1", decision_id)
    if row is None:
        raise DecisionNotFound(f"there is no decision {decision_id}")
    return row


async def list_campaign_decisions(
    session: ReadSession, campaign_id: str, arm: str | None, customer_id: str | None, after: int | None, limit: int
) -> list[Any]:
    """A campaign's decisions, the latest first."""
    # Only the filters that are asked for: a plan made for all cases would walk through a campaign of a million.
    wanted = {"campaign_id =": campaign_id, "arm =": arm, "customer_id =": customer_id, "number <": after}
    given = {condition: value for condition, value in wanted.items() if value is not None}
    where = " AND ".join(f"{condition} ${place}" for place, condition in enumerate(given, 1))
    return await fetch(
        session, f"{_SELECT} WHERE {where} ORDER BY number DESC LIMIT ${len(given) + 1}", *given.values(), limit
    )


async def list_customer_decisions(session: ReadSession, customer_id: str, after: int | None, limit: int) -> list[Any]:
    """A customer's decisions in all campaigns, the latest first; raises CustomerNotFound."""
    known = await fetch_value(
        session,
        """SELECT EXISTS (SELECT FROM known_customers WHERE customer_id = $1)
               OR EXISTS (SELECT FROM decisions WHERE customer_id = $1)""",
        customer_id,
    )
    if not known:
        raise CustomerNotFound(f"there is no customer {customer_id}")
    return await fetch(
        session,
        f"""{_SELECT} WHERE customer_id = $1 AND ($2::bigint IS NULL OR number < $2) ORDER BY number DESC LIMIT $3""",
        customer_id,
        after,
        limit,
    )
