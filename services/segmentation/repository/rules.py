"""Rules as SQL: the one meaning that a rule has. What users wrote only ever becomes a parameter.

The customer's facts are `c`, where they stand in the lifecycle is `s`, and the instant looked at is an expression.
"""

from collections.abc import Iterator
from typing import Any

from services.segmentation.domain import OVER, STAGE_FIELDS, WITHIN, All, AnyOf, Comparison, Kind, Not, Rule

_COLUMNS = {
    "stage": "s.stage",
    "stage_since": "s.stage_since",
    "reacquired": "coalesce(s.reacquired, false)",
    "label": "(CASE WHEN c.orders > 0 THEN 'old' ELSE 'new' END)",
}
_TYPES = {
    Kind.STAGE: "text",
    Kind.LABEL: "text",
    Kind.TEXT: "text",
    Kind.FLAG: "bool",
    Kind.NUMBER: "bigint",
    Kind.MONEY: "bigint",
    Kind.INSTANT: "timestamptz",
}
_SIGNS = {"eq": "=", "ne": "<>", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}

FACTS = "customers AS c LEFT JOIN lifecycle_states AS s USING (customer_id)"
# Everybody who had ordered or come by $1, as they stood then, with all that is known now.
FACTS_THEN = """(
    SELECT known.customer_id, known.platform, known.source_id, NULL::bool AS is_member, o.orders, NULL::jsonb AS spend,
           o.first_order_at, o.last_order_at, NULL::bigint AS visits, NULL::timestamptz AS last_visit_at,
           CASE WHEN known.first_visit_at <= $1 THEN known.first_visit_at END AS first_visit_at
    FROM customers AS known CROSS JOIN LATERAL (
        SELECT count(*) AS orders, min(paid_at) AS first_order_at, max(paid_at) AS last_order_at FROM known_orders
        WHERE known_orders.customer_id = known.customer_id AND counted AND paid_at <= $1) AS o
    WHERE o.orders > 0 OR known.first_visit_at <= $1
) AS c LEFT JOIN LATERAL (
    SELECT h.stage, h.since AS stage_since, h.reacquired FROM lifecycle_history AS h
    WHERE h.customer_id = c.customer_id AND h.since <= $1 AND (h.until IS NULL OR h.until > $1)
) AS s ON true"""


class Compiler:
    """Makes expressions whose parameters are appended to `args`."""

    def __init__(self, *args: Any) -> None:
        self.args = list(args)

    def bind(self, value: Any, kind: str) -> str:
        self.args.append(value)
        return f"${len(self.args)}::{kind}"

    def holds(self, rule: Rule, at: str) -> str:
        """Whether the rule holds at `at`: never NULL, so that `not` of a missing fact is true."""
        if isinstance(rule, All):
            return "(" + " AND ".join(self.holds(each, at) for each in rule.rules) + ")"
        if isinstance(rule, AnyOf):
            return "(" + " OR ".join(self.holds(each, at) for each in rule.rules) + ")"
        if isinstance(rule, Not):
            return f"NOT {self.holds(rule.rule, at)}"
        return f"coalesce({self._compare(rule, at)}, false)"

    def due(self, rule: Rule, at: str) -> str:
        """The first instant after `at` at which time alone may turn the rule; NULL if there is none."""
        later = [f"CASE WHEN {moment} > {at} THEN {moment} END" for moment in self.moments(rule)]
        return f"least({', '.join(later)})" if later else "NULL::timestamptz"

    def moments(self, rule: Rule) -> list[str]:
        """The instants at which time alone may turn the rule, as expressions that may be NULL."""
        found: list[str] = []
        for each in comparisons(rule):
            if each.op in (WITHIN, OVER):
                column = self._column(each)
                found += [column] * (each.op == WITHIN) + [f"{column} + {self._days(each)}"]
        return list(dict.fromkeys(found))

    def _compare(self, rule: Comparison, at: str) -> str:
        column, kind = self._column(rule), _TYPES[rule.kind]
        if rule.op == WITHIN:
            return f"{column} <= {at} AND {at} < {column} + {self._days(rule)}"
        if rule.op == OVER:
            return f"{at} >= {column} + {self._days(rule)}"
        if rule.op == "in":
            return f"{column} = ANY({self.bind(list(rule.value), f'{kind}[]')})"
        if rule.op == "between":
            low, high = rule.value
            return f"{column} BETWEEN {self.bind(low, kind)} AND {self.bind(high, kind)}"
        return f"{column} {_SIGNS[rule.op]} {self.bind(rule.value, kind)}"

    def _column(self, rule: Comparison) -> str:
        if rule.kind is not Kind.MONEY:
            return _COLUMNS.get(rule.field, f"c.{rule.field}")
        spend = f"c.spend -> {self.bind(rule.currency, 'text')}"
        paid = f"({spend} ->> 'paid_amount')::bigint"
        if rule.field == "paid_amount":
            return f"coalesce({paid}, 0)"
        return f"({paid} / nullif(({spend} ->> 'orders')::bigint, 0))"

    def _days(self, rule: Comparison) -> str:
        # Hours, never days: a day of PostgreSQL's is a calendar day of the session's time zone.
        return f"make_interval(hours => {self.bind(rule.value * 24, 'int')})"


def comparisons(rule: Rule) -> Iterator[Comparison]:
    if isinstance(rule, Comparison):
        yield rule
    elif isinstance(rule, Not):
        yield from comparisons(rule.rule)
    else:
        for each in rule.rules:
            yield from comparisons(each)


def asks_for_stage(rule: Rule) -> bool:
    return any(each.field in STAGE_FIELDS for each in comparisons(rule))
