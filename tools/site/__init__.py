"""The site's pages that nobody writes by hand: from the contracts and the code, anew at each build.

`docs/conf.py` calls this; the folder is git-ignored. The contracts are the committed files, which tests compare with
the code.
"""

import json
from typing import Any

from deploy.local.names import SERVICES
from deploy.local.state import ROOT
from tools.site.events import events_page
from tools.site.figures import figures_page
from tools.site.http import http_page
from tools.site.settings import settings_page

CONTRACTS = ROOT / "docs" / "contracts"


def pages() -> dict[str, str]:
    """By file name, in the folder `docs/reference`."""
    return {
        **{f"http-{service}.md": http_page(service, contract(f"openapi/{service}.json")) for service in SERVICES},
        "events.md": events_page(contract("asyncapi.json")),
        "figures.md": figures_page(),
        "settings.md": settings_page(),
    }


def contract(name: str) -> dict[str, Any]:
    return json.loads((CONTRACTS / name).read_text())
