"""A Python client that nobody here wrote, generated from the committed contracts, against a running system."""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from deploy.local.state import ROOT
from tests.clients.conftest import SERVICES
from tests.docs.waiting import wait_until_known

CONTRACTS = ROOT / "docs" / "contracts" / "openapi"
_BIN = Path(sys.executable).parent


class Generated:
    """The five generated packages, and a client of each for the running system."""

    def __init__(self, system: dict[str, str]) -> None:
        self._bodies = {name: _bodies(name) for name in SERVICES}
        self._clients = {
            name: _module(name).AuthenticatedClient(
                base_url=system[f"COMEBACK_{name.upper()}_URL"],
                token=system["COMEBACK_API_KEY"],
                raise_on_unexpected_status=True,
            )
            for name in SERVICES
        }

    def call(self, service: str, operation: str, *values: str, **named: Any) -> Any:
        """`operation` as `tag.name`; the status, and the answer as the client has parsed it."""
        tag, name = operation.split(".")
        module = _module(service, f".api.{tag}.{service}_{name}")
        if "body" in named:
            model = self._bodies[service][f"{service}-{name.replace('_', '-')}"]
            named["body"] = getattr(_module(service, ".models"), model).from_dict(named["body"])
        answered = module.sync_detailed(*values, client=self._clients[service], **named)
        return answered.status_code, answered.parsed

    def close(self) -> None:
        for client in self._clients.values():
            client.get_httpx_client().close()


def _module(service: str, path: str = "") -> ModuleType:
    return importlib.import_module(f"generated_{service}{path}")


def _bodies(service: str) -> dict[str, str]:
    """The name of the body's model, by operation id."""
    paths = json.loads((CONTRACTS / f"{service}.json").read_text())["paths"]
    found: dict[str, str] = {}
    for operation in (each for methods in paths.values() for each in methods.values()):
        if body := operation.get("requestBody"):
            found[operation["operationId"]] = body["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[-1]
    return found


@pytest.fixture(scope="module")
def generated(system: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Generated]:
    folder = tmp_path_factory.mktemp("clients")
    for service in SERVICES:
        command = [_BIN / "openapi-python-client", "generate", "--path", CONTRACTS / f"{service}.json"]
        done = subprocess.run(
            [*command, "--meta", "none", "--output-path", folder / f"generated_{service}", "--fail-on-warning"],
            env={**os.environ, "PATH": f"{_BIN}:{os.environ['PATH']}"},  # it calls ruff
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{service}: {done.stdout}{done.stderr}"
    sys.path.insert(0, str(folder))
    made = Generated(system)
    yield made
    made.close()
    sys.path.remove(str(folder))


def test_a_generated_python_client_takes_an_order_to_its_coupon_and_its_figures(
    generated: Generated, system: dict[str, str]
) -> None:
    template_body = {
        "name": "5.00 off",
        "kind": "python-welcome",
        "discount": {"type": "amount_off", "amount": 500, "currency": "EUR"},
        "validity": {"type": "relative", "days": 14},
    }
    status, template = generated.call(
        "coupons",
        "templates.create_template",
        body=template_body,
        idempotency_key="python-template",
    )
    assert (status, template.name) == (201, "5.00 off")

    campaign_body = {
        "name": "Python's welcome",
        "template_id": template.template_id,
        "goal": "retention",
        "audience": {"kind": "stage", "stage": "new"},
        "trigger": {"kind": "entered"},
        "starts_at": datetime.now(UTC).isoformat(),
        "channel": "mail",
        "business_line": "python",
        "holdout": 0,
    }
    _, campaign = generated.call(
        "targeting",
        "campaigns.create_campaign",
        body=campaign_body,
    )
    assert generated.call("targeting", "campaigns.start_campaign", campaign.campaign_id)[0] == 200

    paid = {"order_id": "py-1", "total": 49.9, "currency": "EUR", "shop_id": "north"}
    call = {"userId": "pia", "event": "Order Completed", "messageId": "py-m-1", "properties": paid}
    status, _ = generated.call("profile", "ingest.track", body=call)
    assert status == 200
    wait_until_known(system["COMEBACK_METRICS_URL"], system["COMEBACK_API_KEY"])

    [customer] = generated.call("profile", "customers.list_customers", source_id="pia")[1].data
    [stage] = generated.call("segmentation", "customers.list_lifecycle", customer.customer_id)[1].data
    assert stage.stage.value == "new"
    coupons = generated.call("coupons", "coupons.list_coupons", customer.customer_id)[1].data
    [coupon] = [each for each in coupons if each.campaign_id == campaign.campaign_id]

    use = {"code": coupon.code, "shop_id": "north", "order_id": "py-2", "amount": 6000, "currency": "EUR"}
    status, redemption = generated.call("coupons", "redemptions.redeem", body=use)
    assert (status, redemption.discount.amount) == (201, 500)
    wait_until_known(system["COMEBACK_METRICS_URL"], system["COMEBACK_API_KEY"])
    _, figures = generated.call("metrics", "campaign_metrics.get_campaign_metrics", campaign.campaign_id)
    assert (figures.issued, figures.redemptions, figures.subsidy.platform.amount) == (1, 1, 500)


def test_a_generated_python_client_gets_a_refusal_as_a_problem(generated: Generated) -> None:
    use = {"code": "NOBODYHASTHIS", "shop_id": "north", "order_id": "o", "amount": 1, "currency": "EUR"}
    status, problem = generated.call("coupons", "redemptions.redeem", body=use)
    assert (status, problem.code) == (404, "coupon-not-found")
