"""The OpenAPI document of each service, as its own `/openapi.json` answers it."""

import importlib
from typing import Any

# An app is made of settings, but says the same with any.
_SETTINGS = {
    "database_url": "postgresql://nobody:nothing@127.0.0.1:1/nowhere",
    "kafka_bootstrap": "127.0.0.1:1",
    "secret": "what is documented depends on no secret",
}


def openapi(service: str) -> dict[str, Any]:
    settings = importlib.import_module(f"services.{service}.settings").Settings(**_SETTINGS)
    return importlib.import_module(f"services.{service}.app").make_app(settings).openapi()
