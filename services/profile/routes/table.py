"""The table of Segment's calls as people read it: docs/contracts/segment.md, written by `comeback contracts`."""

from collections.abc import Iterable, Iterator

from services.profile.schemas.segment import CALLS, NO_VISITS, ORDERS, OTHER_TRACKS, VISITS, Rule
from shared.events import short_type, type_of

_FIELDS = (
    ("`messageId`", "`id`", "makes it once, however often it is sent; drawn when absent"),
    ("`userId`", "`person.source_id`", "the shop's own id; the customer, when there is one"),
    ("`anonymousId`", "`person.anonymous_id`", "the customer, when there is no `userId`"),
    (
        "`originalTimestamp` or `timestamp`, `sentAt`",
        "`time`",
        "received - (sent - original): a wrong clock is put right",
    ),
    ("`properties.shop_id`", "`shop_id`", "or the shop that the key is bound to, or `default`"),
    ("`properties.channel`", "`channel`", "of visits and orders"),
    ("`event`, `name`", "`name`, `told_by`", "which visit it was; what made the customer known"),
    ("`properties.order_id`", "`order_id`", "of order events"),
    (
        "`properties.total`, else `.revenue`",
        "`total`, `amount`",
        "decimal money; whole minor units of the currency inside",
    ),
    ("`properties.currency`", "`currency`", "ISO 4217, upper case"),
    ("`properties.coupon`", "`coupons`", "one text or a list"),
    ("`properties.refund_id`", "`refund_id`", "or the `messageId`"),
    ("`traits.member`", "`member`", "of identify"),
    ("`previousId`, `groupId`", "`previous_id`, `group_id`", "kept, not used yet"),
)
_HEAD = """# Segment's calls

Written by `comeback contracts` from `services/profile/schemas/segment.py`.

Segment's SDKs send these unchanged: `POST /v1/<call>`, the one-letter paths, or many in `/v1/batch`. A field that no
rule reads may hold anything, and is not kept: `context`, `products`, other traits. No name is unknown: whatever has no
line of its own is a visit of that name.

| call | name | becomes | reads | effect |
|---|---|---|---|---|"""


def segment_table() -> str:
    """The whole page, as Markdown."""
    fields = ["| Segment | ours | |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in _FIELDS)]
    return "\n".join([_HEAD, *_rows(), "", "## Fields", "", *fields, ""])


def _rows() -> Iterator[str]:
    for call, rule in CALLS.items():
        yield _row(call, (), rule)
    for name, rule in ORDERS.items():
        yield _row("track", [str(name)], rule)
    yield _row("track", map(str, NO_VISITS), next(iter(NO_VISITS.values())))
    yield _row("track", [*VISITS, "any other name"], OTHER_TRACKS)


def _row(call: str, names: Iterable[str], rule: Rule) -> str:
    becomes = f"[{short_type(rule.event)}](examples/{type_of(rule.event)}.json)"
    reads = ", ".join(f"`{field}`" for field in rule.reads)
    return f"| {call} | {', '.join(names)} | {becomes} | {reads} | {rule.effect} |"
