"""Decisions: who was to get what, why or why not, and what became of it."""

from typing import Annotated

from fastapi import Query

from services.targeting import repository
from services.targeting.domain import Arm
from services.targeting.errors import CampaignNotFound, CustomerNotFound, DecisionNotFound
from services.targeting.schemas import DecisionAnswer
from shared.http.door import SessionOf, access
from shared.http.door import router as make_router
from shared.http.pages import Cursor, Limit, Page, decode_cursor

router = make_router("decisions")


@router.get("/campaigns/{campaign_id}/decisions", **access("campaigns:read", CampaignNotFound))
async def list_campaign_decisions(
    session: SessionOf,
    campaign_id: str,
    arm: Annotated[Arm | None, Query(description="only this arm")] = None,
    customer_id: Annotated[str | None, Query(max_length=256, description="only this customer")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[DecisionAnswer]:
    """A campaign's decisions, the latest first."""
    await repository.get_campaign(session, campaign_id)
    after = decode_cursor(cursor, int)
    rows = await repository.list_campaign_decisions(
        session, campaign_id, arm, customer_id, after[0] if after else None, limit + 1
    )
    return Page[DecisionAnswer].of(rows, limit, key=lambda row: [row["number"]], item=DecisionAnswer.of)


@router.get("/customers/{customer_id}/decisions", **access("campaigns:read", CustomerNotFound))
async def list_customer_decisions(
    session: SessionOf, customer_id: str, limit: Limit = 50, cursor: Cursor = None
) -> Page[DecisionAnswer]:
    """A customer's decisions in all campaigns, the latest first."""
    after = decode_cursor(cursor, int)
    rows = await repository.list_customer_decisions(session, customer_id, after[0] if after else None, limit + 1)
    return Page[DecisionAnswer].of(rows, limit, key=lambda row: [row["number"]], item=DecisionAnswer.of)


@router.get("/decisions/{decision_id}", **access("campaigns:read", DecisionNotFound))
async def get_decision(session: SessionOf, decision_id: str) -> DecisionAnswer:
    return DecisionAnswer.of(await repository.get_decision(session, decision_id))
