"""The simulation's own recall campaign and its template, made over HTTP."""

from typing import Any

from demo.simulation.plan import ATTRIBUTION_DAYS, Calendar
from demo.simulation.telling import CURRENCY
from demo.storefront import Http

_NAME = "Simulation"


async def start_campaign(http: Http, run: str, calendar: Calendar, holdout: float) -> str:
    """Everyone who falls silent during the run is treated or held out; what an interrupted run left active is stopped.

    A run has its own campaign, on a business line of its own: earlier runs keep their figures. Repeating is harmless.
    """
    for left in await http.pages("targeting", "/v1/campaigns", status="active"):
        if left["name"].startswith(f"{_NAME} "):
            path = f"/v1/campaigns/{left['campaign_id']}/stop"
            await http.post("targeting", path, {}, f"stop {left['campaign_id']}")
    template = await http.post("coupons", "/v1/templates", _template(run), f"template {run}")
    body = _campaign(run, template["template_id"], calendar, holdout)
    campaign_id = (await http.post("targeting", "/v1/campaigns", body, f"campaign {run}"))["campaign_id"]
    await http.post("targeting", f"/v1/campaigns/{campaign_id}/start", {}, f"start {campaign_id}")
    return campaign_id


def _template(run: str) -> dict[str, Any]:
    return {
        "name": f"{_NAME} {run}",
        "kind": "simulation",
        "discount": {"type": "amount_off", "amount": 500, "currency": CURRENCY},
        # Longer than the window: who comes back on its last day can still use it.
        "validity": {"type": "relative", "days": ATTRIBUTION_DAYS + 7},
        "subsidy": {"platform_share": 70, "merchant_share": 30},
    }


def _campaign(run: str, template_id: str, calendar: Calendar, holdout: float) -> dict[str, Any]:
    return {
        "name": f"{_NAME} {run}",
        "goal": "recall",
        "business_line": f"simulation-{run}",
        "channel": "push",
        "template_id": template_id,
        "audience": {"kind": "stage", "stage": "silent"},
        "trigger": {"kind": "entered"},
        "starts_at": calendar.starts_at.isoformat(),
        "ends_at": calendar.closes_at.isoformat(),
        "holdout": holdout,
        "attribution_days": ATTRIBUTION_DAYS,
        # A fast run ticks every few days.
        "max_cause_age_hours": 7 * 24,
    }
