"""An order of a shop's own history: placed, paid, refunded, cancelled, each with its own instant."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal

from shared import topics
from shared.events import Event
from shared.events.storefront import (
    Order,
    OrderReference,
    Refund,
    StorefrontOrderCancelled,
    StorefrontOrderCompleted,
    StorefrontOrderPlaced,
    StorefrontOrderRefunded,
)
from tools.importing.cells import Cells
from tools.importing.kinds import SOURCE, Kind, Paid, Thing, event_id, person_of
from tools.importing.options import Options
from tools.importing.problems import Unclear

# ISO 4217 has this one for what is in no currency at all.
NO_CURRENCY = "XXX"

# The sum of the lines of a shop's order; raises ValueError with a reason when there is none.
SumOf = Callable[[str, str], Decimal]


def _no_lines(shop: str, order_id: str) -> Decimal:
    raise ValueError(f"{order_id} of {shop} has no lines")


def orders(sum_of: SumOf = _no_lines) -> Kind:
    """`sum_of` gives the totals where `--total-from-lines` says that lines have them."""
    return Kind(
        "orders",
        topics.STOREFRONT_ORDERS,
        required=("order_id", "customer_id", "ordered_at"),
        kept=(
            "paid_at",
            "cancelled_at",
            "refunded_at",
            "refunded_amount",
            "total",
            "currency",
            "shop_id",
            "channel",
            "coupon_codes",
        ),
        dropped=("city", "email", "phone", "discount"),
        convert=lambda cells, options: _order(cells, options, sum_of),
    )


def check_stated(names: Mapping[str, str], options: Options, *, with_lines: bool) -> None:
    """Raises Unclear when the person has not said what a file with these columns leaves open."""
    if options.currency is not None and not re.fullmatch("[A-Z]{3}", options.currency):
        raise Unclear("--currency", f"{options.currency!r} is not a code such as EUR")
    if options.no_total:
        _check_no_total(names, options)
        return
    if options.total_from_lines and not with_lines:
        raise Unclear("--lines", "--total-from-lines needs the file of lines")
    if not options.total_from_lines and "total" not in names:
        raise Unclear(
            "--map", "there is no column total: --map total=Amount names it, or say --total-from-lines or --no-total"
        )
    if options.money is None:
        raise Unclear("--money", "must say how amounts are written: minor (whole cents), point (1,234.56) or comma")
    if "currency" not in names and options.currency is None:
        raise Unclear("--currency", "is needed: the file has no column currency")


def _check_no_total(names: Mapping[str, str], options: Options) -> None:
    if options.total_from_lines:
        raise Unclear("--no-total", "and --total-from-lines exclude each other")
    if "refunded_amount" in names:
        raise Unclear("--no-total", "does not go with refunded_amount: nobody could say whether all was given back")


def _order(cells: Cells, options: Options, sum_of: SumOf) -> Thing:
    person, shop, order_id = person_of(cells, options), cells.text("shop_id", options.shop), cells.text("order_id")
    amount, currency = _money(cells, options, (shop, order_id), sum_of)
    data = Order(
        person=person,
        shop_id=shop,
        order_id=order_id,
        total=amount,
        currency=currency,
        coupons=cells.texts("coupon_codes"),
        channel=cells.text_or_none("channel"),
    )
    placed_at = cells.instant("ordered_at")
    # A file without the column holds nothing but paid orders.
    paid_at = _after(cells, "paid_at", placed_at) if "paid_at" in cells else placed_at
    events: list[Event] = []

    def name(what: str) -> str:
        return event_id("order", shop, order_id, what)

    if paid_at is None or placed_at < paid_at:
        events.append(StorefrontOrderPlaced(id=name("placed"), source=SOURCE, time=placed_at, data=data))
    if paid_at is not None:
        events.append(StorefrontOrderCompleted(id=name("completed"), source=SOURCE, time=paid_at, data=data))
    if refund := _refund(cells, data, paid_at):
        at, told = refund
        events.append(StorefrontOrderRefunded(id=name("refunded"), source=SOURCE, time=at, data=told))
    if cancelled_at := _after(cells, "cancelled_at", placed_at):
        reference = OrderReference(person=person, shop_id=shop, order_id=order_id)
        events.append(StorefrontOrderCancelled(id=name("cancelled"), source=SOURCE, time=cancelled_at, data=reference))
    paid = None if paid_at is None else Paid(amount, currency)
    return Thing(("order", shop, order_id), person.source_id or "", events, paid)


def _money(cells: Cells, options: Options, order: tuple[str, str], sum_of: SumOf) -> tuple[int, str]:
    if options.no_total:
        return 0, NO_CURRENCY
    currency = cells.currency()
    if not options.total_from_lines:
        return cells.money("total", currency), currency
    try:
        return cells.minor("total", sum_of(*order), currency), currency
    except ValueError as error:
        raise cells.bad("order_id", str(error)) from error


def _after(cells: Cells, column: str, earliest: datetime, than: str = "the order") -> datetime | None:
    at = cells.instant_or_none(column)
    if at is not None and at < earliest:
        raise cells.bad(column, f"{at.isoformat()} lies before {than}, {earliest.isoformat()}")
    return at


def _refund(cells: Cells, order: Order, paid_at: datetime | None) -> tuple[datetime, Refund] | None:
    """When, and how much: without an amount all that is left of the order."""
    amount = cells.money("refunded_amount", order.currency) if cells.has("refunded_amount") else None
    at = cells.instant_or_none("refunded_at")
    if at is None:
        if amount:
            raise cells.bad("refunded_amount", "was given back, but refunded_at does not say when")
        return None
    if paid_at is None:
        raise cells.bad("refunded_at", "the order was never paid")
    _after(cells, "refunded_at", paid_at, "the payment")
    return at, Refund(
        person=order.person,
        shop_id=order.shop_id,
        order_id=order.order_id,
        refund_id=SOURCE,
        amount=amount,
    )
