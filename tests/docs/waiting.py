"""Waits until metrics, the last service, knows and has decided everything up to now: `python -m tests.docs.waiting`."""

import os
import time
from datetime import UTC, datetime

import httpx

SECONDS = 60


def wait_until_known(metrics_url: str, api_key: str) -> None:
    moment, headers = datetime.now(UTC), {"Authorization": f"Bearer {api_key}"}
    end = time.monotonic() + SECONDS
    while datetime.fromisoformat(httpx.get(f"{metrics_url}/v1/clock", headers=headers).json()["at"]) < moment:
        assert time.monotonic() < end, f"the clock of metrics has not reached {moment}"
        time.sleep(0.1)


if __name__ == "__main__":
    wait_until_known(os.environ["COMEBACK_METRICS_URL"], os.environ["COMEBACK_API_KEY"])
