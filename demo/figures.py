"""What the system says after the replay, beside what an independent computation says. Read by `comeback demo`."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from demo.reference.figures import Campaign, Reference
from demo.replay import Played
from demo.storefront import Http

Value = int | str


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: what the services answered and what it must be."""

    group: str
    name: str
    found: Value
    expected: Value

    @property
    def equal(self) -> bool:
        return self.found == self.expected


async def compare(http: Http, played: Played, reference: Reference) -> list[Figure]:
    """Asks the services' HTTP APIs for everything that the reference knows."""
    figures = [
        *_totals(await http.get("metrics", "/v1/metrics/overview"), reference),
        *_months(await http.get("metrics", "/v1/metrics/sales", by="month", zone="America/New_York"), reference),
    ]
    for campaign in reference.campaigns:
        path = f"/v1/campaigns/{played.campaigns[campaign.campaign_id]}/metrics"
        figures += _campaign(await http.get("metrics", path), campaign)
    figures += [each async for each in _lifecycle(http, reference)]
    metrics = await http.get("metrics", f"/v1/campaigns/{played.recall_id}/metrics")
    decisions = await http.pages("targeting", f"/v1/campaigns/{played.recall_id}/decisions")
    return [*figures, *_recall(metrics, decisions, reference)]


def _totals(overview: Any, reference: Reference) -> Iterator[Figure]:
    totals, sums = reference.totals, reference.campaign_sums
    for name, found, expected in (
        ("customers", overview["customers"]["buyers"], totals.households),
        ("orders", overview["orders"], totals.baskets),
        ("shops", overview["shops"], totals.stores),
        ("sales", overview["sales"][0]["amount"], totals.sales_cents),
        ("redemptions", overview["redemptions"], sums.redemptions),
        ("coupons redeemed", overview["coupons"]["redeemed"], sums.redeemed_pairs),
    ):
        yield Figure("totals", name, found, expected)


def _months(sales: Any, reference: Reference) -> Iterator[Figure]:
    found = {each["starts_on"][:7]: each for each in sales["data"]}
    # History ends with the New York year, in which the first hours of 2018 in UTC still are.
    yield Figure("months", "months with sales", len(found), len(reference.months))
    for month in reference.months:
        line = found.get(month.month)
        told = _line(line["orders"], line["active_customers"], line["sales"]["amount"]) if line else "-"
        yield Figure("months", month.month, told, _line(month.baskets, month.households, month.sales_cents))


def _campaign(metrics: Any, campaign: Campaign) -> Iterator[Figure]:
    """Targeted, issued, redeemers, redemptions, both forms of the rate, orders, sales, who bore the discount."""
    so_far, matured = metrics["redemption_rate"]["so_far"], metrics["redemption_rate"]["matured"]
    found = (
        metrics["audience"],
        metrics["issued"],
        metrics["redeemers"],
        metrics["redemptions"],
        f"{so_far['numerator']}/{so_far['denominator']}",
        f"{matured['numerator']}/{matured['denominator']}",
        metrics["orders"],
        metrics["sales"]["amount"],
        metrics["subsidy"]["platform"]["amount"],
        metrics["subsidy"]["merchant"]["amount"],
    )
    expected = (
        campaign.targeted,
        campaign.issued,
        campaign.redeemers,
        campaign.redemptions,
        f"{campaign.redeemers}/{campaign.issued}",
        f"{campaign.redeemers}/{campaign.matured}",
        campaign.orders,
        campaign.sales_cents,
        campaign.platform_cents,
        campaign.merchant_cents,
    )
    yield Figure("campaigns", metrics["name"], _line(*found), _line(*expected))


async def _lifecycle(http: Http, reference: Reference) -> AsyncIterator[Figure]:
    lifecycle = reference.lifecycle
    for expected in lifecycle.counts:
        counts = (await http.get("segmentation", "/v1/lifecycle/counts", at=expected.at))["counts"]
        found = _line(*(counts[stage] for stage in expected.counts))
        yield Figure("lifecycle", expected.at[:10], found, _line(*expected.counts.values()))
    told = (await http.get("segmentation", "/v1/lifecycle/transitions"))["data"]
    changes = {(each["from"], each["to"]): each["count"] for each in told}
    yield Figure("lifecycle", "stage changes", sum(changes.values()), lifecycle.stage_changes)
    for each in lifecycle.transitions:
        name = f"{each.from_stage or '(nothing)'} to {each.to_stage}"
        yield Figure("lifecycle", name, changes.pop((each.from_stage, each.to_stage), 0), each.count)
    yield Figure("lifecycle", "other changes", sum(changes.values()), 0)


def _recall(metrics: Any, decisions: list[Any], reference: Reference) -> Iterator[Figure]:
    expected, recall, suppressed = reference.recall, metrics["recall"], metrics["suppressed"]
    arms = (recall["treated"], recall["held_out"])
    delivered = {each["customer_id"] for each in decisions if each["outcome"] in ("issued", "withheld")}
    for name, found, right in (
        ("fell silent", metrics["audience"], expected.entries),
        ("cause gone", suppressed.get("cause-gone", 0), expected.cause_gone),
        ("refused by AH2", suppressed.get("same-kind-too-soon", 0), expected.refused_ah2),
        ("refused by AH1", suppressed.get("possession-cap-reached", 0), expected.refused_ah1),
        ("treated or held out", metrics["treated"] + metrics["held_out"], expected.delivered),
        ("customers of these", len(delivered), expected.customers),
        ("came back in 14 d", sum(arm["so_far"]["numerator"] for arm in arms), expected.ordered),
        ("windows closed", sum(arm["matured"]["denominator"] for arm in arms), expected.matured),
        ("came back in these", sum(arm["matured"]["numerator"] for arm in arms), expected.matured_ordered),
    ):
        yield Figure("recall", name, found, right)


def _line(*values: Value) -> str:
    return " ".join(map(str, values))
