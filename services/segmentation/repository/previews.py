"""Whom a rule would hold for, without storing anything."""

from datetime import datetime
from typing import Any

from services.segmentation.domain import FORGOTTEN, Rule
from services.segmentation.errors import FactUnknownThen, RuleTooSlow
from services.segmentation.repository.rules import FACTS, FACTS_THEN, Compiler, comparisons
from shared.database import ReadSession, execute, fetch, fetch_value, sql_state

_SAMPLES = 10
_MILLISECONDS = 5_000
_CANCELLED = "57014"


async def preview(session: ReadSession, rule: Rule, at: datetime, *, past: bool = False) -> tuple[int, list[Any]]:
    """How many customers the rule holds for at `at`, and up to 10 of them; raises RuleTooSlow after 5 seconds.

    `past`: by what was the case then; raises FactUnknownThen for a rule about what is kept only as it is now.
    """
    forgotten = sorted({each.field for each in comparisons(rule)} & FORGOTTEN)
    if past and forgotten:
        raise FactUnknownThen(f"{forgotten[0]} is known only as of now; leave `at` out", pointer="/rule")
    compiler = Compiler(at)
    holds = compiler.holds(rule, "$1::timestamptz")
    # PostgreSQL wants to know the type of each parameter, of one that the rule does not use too.
    found = f"FROM {FACTS_THEN if past else FACTS} WHERE $1::timestamptz IS NOT NULL AND {holds}"
    count = f"SELECT count(*) {found}"
    samples = f"SELECT c.*, s.stage, s.stage_since, s.reacquired {found} ORDER BY c.customer_id LIMIT {_SAMPLES}"
    await execute(session, f"SET LOCAL statement_timeout = {_MILLISECONDS}")
    try:
        return await fetch_value(session, count, *compiler.args), await fetch(session, samples, *compiler.args)
    except Exception as error:
        if sql_state(error) != _CANCELLED:
            raise
        raise RuleTooSlow(f"counting this rule took over {_MILLISECONDS / 1000:g} s", pointer="/rule") from error
