"""Which rules a segment may have, and where a broken one is broken. SG1, SG3, SG8."""

from typing import Any

import pytest

from services.segmentation.domain import AnyOf, Comparison, Kind, Not, parse_rule
from shared.errors import Refusal

ORDERS: dict[str, Any] = {"field": "orders", "op": "gte", "value": 3}


def comparison(**changes: Any) -> dict[str, Any]:
    return {**ORDERS, **changes}


def nested(depth: int) -> dict[str, Any]:
    rule = ORDERS
    for _ in range(depth - 1):
        rule = {"not": rule}
    return rule


@pytest.mark.parametrize(
    "rule",
    [
        {"field": "average_order_value", "op": "gte", "value": 5000, "currency": "USD"},
        {"field": "label", "op": "eq", "value": "new"},
        {
            "all": [
                {"field": "is_member", "op": "eq", "value": True},
                {"field": "last_order_at", "op": "over_days_ago", "value": 30},
            ]
        },
        {"field": "stage", "op": "in", "value": ["silent", "churned"]},
        {"field": "first_order_at", "op": "between", "value": ["2026-01-01T00:00:00Z", "2026-02-01T00:00:00+01:00"]},
        {"field": "source_id", "op": "in", "value": [str(number) for number in range(1_000)]},
        nested(10),
        {"any": [ORDERS] * 99},
    ],
)
def test_the_examples_of_the_sources_can_be_said(rule: dict[str, Any]) -> None:
    """SG3: high-value customers, new customers; SG8: the intersection of several."""
    parse_rule(rule)


def test_a_rule_becomes_a_tree() -> None:
    rule = parse_rule({"any": [{"not": ORDERS}, ORDERS]})
    expected = Comparison("orders", Kind.NUMBER, "gte", 3)
    assert rule == AnyOf((Not(expected), expected))


@pytest.mark.parametrize(
    ("rule", "code", "pointer"),
    [
        (comparison(field="age"), "rule-field-unknown", "/rule/field"),
        (comparison(field=["orders"]), "rule-field-unknown", "/rule/field"),
        (comparison(field="customer_id; DROP TABLE customers"), "rule-field-unknown", "/rule/field"),
        (comparison(field="\ud800"), "rule-field-unknown", "/rule/field"),
        (comparison(op="like"), "rule-operator-unknown", "/rule/op"),
        (comparison(op=None), "rule-operator-unknown", "/rule/op"),
        (comparison(op=["eq"]), "rule-operator-unknown", "/rule/op"),
        ({"field": "is_member", "op": "lt", "value": True}, "rule-operator-unknown", "/rule/op"),
        ({"field": "orders", "op": "within_days", "value": 3}, "rule-operator-unknown", "/rule/op"),
        (comparison(value=True), "rule-value-invalid", "/rule/value"),
        (comparison(value=1.5), "rule-value-invalid", "/rule/value"),
        (comparison(value="3"), "rule-value-invalid", "/rule/value"),
        (comparison(value=-1), "rule-value-invalid", "/rule/value"),
        (comparison(value=2**53), "rule-value-invalid", "/rule/value"),
        (comparison(op="between", value=[5, 3]), "rule-value-invalid", "/rule/value"),
        (comparison(op="between", value=[5]), "rule-value-invalid", "/rule/value"),
        (comparison(op="in", value=[]), "rule-value-invalid", "/rule/value"),
        (comparison(op="in", value=[1, "2"]), "rule-value-invalid", "/rule/value/1"),
        (comparison(op="in", value=list(range(1_001))), "rule-too-large", "/rule/value"),
        (comparison(currency="USD"), "rule-value-invalid", "/rule/currency"),
        ({"field": "paid_amount", "op": "gt", "value": 1}, "rule-value-invalid", "/rule/currency"),
        ({"field": "paid_amount", "op": "gt", "value": 1, "currency": "usd"}, "rule-value-invalid", "/rule/currency"),
        ({"field": "paid_amount", "op": "gt", "value": 1, "currency": "USD\n"}, "rule-value-invalid", "/rule/currency"),
        ({"field": "stage", "op": "eq", "value": "asleep"}, "rule-value-invalid", "/rule/value"),
        ({"field": "stage", "op": "eq", "value": None}, "rule-value-invalid", "/rule/value"),
        ({"field": "source_id", "op": "eq", "value": "a\x00"}, "rule-value-invalid", "/rule/value"),
        ({"field": "source_id", "op": "eq", "value": "\udfff"}, "rule-value-invalid", "/rule/value"),
        ({"field": "source_id", "op": "eq", "value": "x" * 257}, "rule-value-invalid", "/rule/value"),
        ({"field": "last_order_at", "op": "lt", "value": "2026-01-01"}, "rule-value-invalid", "/rule/value"),
        ({"field": "last_order_at", "op": "lt", "value": "2026-01-01T00:00:00"}, "rule-value-invalid", "/rule/value"),
        (
            {"field": "last_order_at", "op": "lt", "value": "0001-01-01T00:00:00+14:00"},
            "rule-value-invalid",
            "/rule/value",
        ),
        ({"field": "last_order_at", "op": "lt", "value": 0}, "rule-value-invalid", "/rule/value"),
        ({"field": "last_order_at", "op": "within_days", "value": 0}, "rule-value-invalid", "/rule/value"),
        ({"field": "last_order_at", "op": "within_days", "value": 10**9}, "rule-value-invalid", "/rule/value"),
        ({"all": []}, "rule-value-invalid", "/rule/all"),
        ({"all": ORDERS}, "rule-value-invalid", "/rule/all"),
        ({"any": [ORDERS, {"not": comparison(field="age")}]}, "rule-field-unknown", "/rule/any/1/not/field"),
        ({"all": [ORDERS], "any": [ORDERS]}, "rule-value-invalid", "/rule"),
        ({}, "rule-value-invalid", "/rule"),
        ([ORDERS], "rule-value-invalid", "/rule"),
        (None, "rule-value-invalid", "/rule"),
        (nested(11), "rule-too-deep", "/rule" + "/not" * 10),
        ({"any": [ORDERS] * 100}, "rule-too-large", "/rule/any/99"),
    ],
)
def test_a_broken_rule_is_refused_with_the_place_where_it_is_broken(rule: Any, code: str, pointer: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse_rule(rule)
    assert (refused.value.code, refused.value.pointer, refused.value.status) == (code, pointer, 422)
    refused.value.detail.encode()


def test_an_unknown_field_is_answered_with_those_that_exist() -> None:
    with pytest.raises(Refusal, match=r"known are stage, .*last_visit_at"):
        parse_rule(comparison(field="gender"))
