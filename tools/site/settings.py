"""The page of the settings, from the classes that read them: name, type and limits, default, meaning, who reads it."""

import importlib
from typing import Any

from deploy.local.names import SERVICES
from shared.settings import ServiceSettings
from tools.site.markdown import section, table
from tools.site.shapes import Shapes

_UNITS = {"_seconds": "seconds", "_days": "days of 24 h", "_port": "TCP port", "_cap": "coupons"}
_PREFIX = str(ServiceSettings.model_config.get("env_prefix"))


def settings_page() -> str:
    shared = ServiceSettings.model_json_schema()
    lines = [
        "# Settings",
        "",
        "Each process reads these variables from its environment once, when it starts. A value that does not fit ends "
        "the process with a sentence that names it. `comeback stack up` sets addresses and secrets itself and passes "
        "on what you have exported.",
        "",
        *section(2, "Every service", "settings-shared"),
        *_table(shared, list(shared["properties"])),
    ]
    for service in SERVICES:
        schema = importlib.import_module(f"services.{service}.settings").Settings.model_json_schema()
        own = [name for name in schema["properties"] if name not in shared["properties"]]
        if own:
            lines += [*section(2, f"Only {service}", f"settings-{service}"), *_table(schema, own)]
    return "\n".join(lines)


def _table(schema: dict[str, Any], names: list[str]) -> list[str]:
    shapes = Shapes("settings", {})
    rows = [
        (
            f"`{_PREFIX}{name.upper()}`",
            shapes.type_of(schema["properties"][name]),
            next((unit for ending, unit in _UNITS.items() if name.endswith(ending)), ""),
            _default(schema["properties"][name]),
            shapes.said({key: value for key, value in schema["properties"][name].items() if key != "default"}),
        )
        for name in names
    ]
    return table(("variable", "type", "unit", "default", "what"), rows)


def _default(field: dict[str, Any]) -> str:
    if "default" not in field:
        return "none: must be set"
    return f"`{field['default']}`" if field["default"] != "" else "empty"
