"""CloudEvents' binary mode: the envelope stands in headers, the data alone is the value. Looked at when a value is no
event, so it costs those nothing who write what we write."""

import base64
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from shared.events.envelope import CONTENT_TYPE

_PREFIX = "ce_"
_MEDIA_TYPE = "content-type"
_NEEDED = ("specversion", "type", "id", "source", "time")


def restated(record: Any) -> tuple[Any, str | None] | None:
    """A record of binary mode as it would be in structured mode, and what is missing; None if it is no such record.

    Whoever parks, shows or retries it then has one form to know, and nothing of it is lost.
    """
    headers: dict[str, str] = {name: (value or b"").decode(errors="backslashreplace") for name, value in record.headers}
    attributes = {name.removeprefix(_PREFIX): text for name, text in headers.items() if name.startswith(_PREFIX)}
    if not attributes or headers.get(_MEDIA_TYPE, "").lower().startswith("application/cloudevents"):
        return None
    data = _data(record.value)
    body = msgspec.json.encode({**attributes, **data})
    others = [each for each in record.headers if each[0] != _MEDIA_TYPE and not each[0].startswith(_PREFIX)]
    return replace(record, value=body, headers=((_MEDIA_TYPE, CONTENT_TYPE), *others)), _fault(attributes, data)


def _data(value: bytes | None) -> dict[str, Any]:
    if value is None:
        return {}
    try:
        msgspec.json.decode(value)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return {"data_base64": base64.b64encode(value).decode()}
    return {"data": msgspec.Raw(value)}


def _fault(attributes: Mapping[str, str], data: Mapping[str, Any]) -> str | None:
    missing = [_PREFIX + name for name in _NEEDED if name not in attributes]
    if missing:
        return f"a binary CloudEvent without the header {missing[0]}"
    return None if "data" in data else "a binary CloudEvent whose value is not JSON"
