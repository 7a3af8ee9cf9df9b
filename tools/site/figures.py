"""The page of metrics' figures: what `GET /v1/metrics/definitions` answers, to be read without a running service."""

import importlib

from tools.site.markdown import table


def figures_page() -> str:
    definitions = importlib.import_module("services.metrics.domain.definitions").DEFINITIONS
    rows = [(f"`{name}`", each.definition, each.unit) for name, each in definitions.items()]
    return "\n".join(
        [
            "# Figures",
            "",
            "Every figure that metrics answers, by its place in the answer. A running service says the same: "
            "[](#metrics-list-definitions).",
            "",
            *table(("figure", "means", "unit"), rows),
        ]
    )
