"""The HTTP doors of a running system, as the tests ask them."""

from hashlib import sha256
from typing import Any

import httpx

from deploy.local.stack import Stack


class Asking:
    """The services' HTTP doors."""

    def __init__(self, stack: Stack) -> None:
        self._environment = stack.environment()
        self._headers = {"Authorization": f"Bearer {self._environment['COMEBACK_API_KEY']}"}

    def get(self, service: str, path: str, **params: Any) -> Any:
        return self._read(httpx.get(self._url(service, path), params=params, headers=self._headers, timeout=30))

    def post(self, service: str, path: str, body: Any) -> Any:
        headers = {**self._headers, "Idempotency-Key": sha256(f"{path} {body}".encode()).hexdigest()}
        return self._read(httpx.post(self._url(service, path), json=body, headers=headers, timeout=30))

    def _url(self, service: str, path: str) -> str:
        return self._environment[f"COMEBACK_{service.upper()}_URL"] + path

    @staticmethod
    def _read(response: httpx.Response) -> Any:
        assert response.is_success, response.text
        return response.json()

    def customer(self, source_id: str) -> Any:
        (found,) = self.get("profile", "/v1/customers", source_id=source_id)["data"]
        return found

    def orders(self, source_id: str) -> dict[str, Any]:
        customer_id = self.customer(source_id)["customer_id"]
        page = self.get("profile", f"/v1/customers/{customer_id}/orders", limit=200)
        return {each["order_id"]: each for each in page["data"]}

    def months(self, **params: Any) -> dict[str, tuple[int, ...]]:
        sales = self.get("metrics", "/v1/metrics/sales", by="month", **params)["data"]
        return {
            each["starts_on"]: (each["orders"], each["active_customers"], each["sales"]["amount"]) for each in sales
        }
