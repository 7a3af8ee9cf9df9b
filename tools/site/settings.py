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
        "Each process reads these variables from its environment once, when it starts. If one is missing or does not "
        f"fit, it does not start and says which, without the `{_PREFIX}`; a name that nobody knows is ignored. "
        "`comeback stack up` sets addresses, ports and secrets itself and passes on the others that you have exported.",
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
    rows = [(f"`{_PREFIX}{name.upper()}`", *_field(name, schema["properties"][name], shapes)) for name in names]
    return table(("variable", "value", "default", "what"), rows)


def _field(name: str, field: dict[str, Any], shapes: Shapes) -> tuple[str, str, str]:
    """Type and unit; default; meaning and limits."""
    unit = next((unit for ending, unit in _UNITS.items() if name.endswith(ending)), None)
    kind = shapes.type_of(field)
    said = shapes.said({key: value for key, value in field.items() if key != "default"})
    return (f"{kind}, {unit}" if unit else kind), _default(field), said


def _default(field: dict[str, Any]) -> str:
    if "default" not in field:
        return "required"
    return f"`{field['default']}`" if field["default"] != "" else "empty"
