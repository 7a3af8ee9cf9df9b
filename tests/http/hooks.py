"""What schemathesis does not know by itself: that a problem's code must be documented, that an Idempotency-Key is for
one request, and whom there is something to know about. Loaded by schemathesis, in a process of its own."""

import json
import os
from itertools import count
from typing import Any

import schemathesis

# By the name of a field: ids that exist.
_KNOWN: dict[str, list[str]] = json.loads(os.environ.get("COMEBACK_KNOWN_IDS", "{}"))
_RUN = os.urandom(8).hex()
_numbers = count()


@schemathesis.check
def documented_code(_: Any, response: Any, case: Any) -> None:
    declared = case.operation.definition.raw["responses"].get(str(response.status_code), {})
    if "x-codes" in declared:
        code = response.json()["code"]
        assert code in declared["x-codes"], f"{response.status_code} with the code {code} is not documented"


@schemathesis.hook
def before_call(_: Any, case: Any, __: Any) -> None:
    key = (case.headers or {}).get("Idempotency-Key")
    # Where it leaves out the credential, headers that were changed would bring it back.
    left_out = getattr(case.meta.phase.data, "parameter", None) if case.meta else None
    if key is not None and 0 < len(key) <= 255 and left_out != "Authorization":
        # The same example every time would be the same request every time, and nothing else would be looked at.
        case.headers["Idempotency-Key"] = f"{_RUN}-{next(_numbers)}"
    if case.meta is None or case.meta.phase.name.value != "stateful":
        _put_known(case.path_parameters)
        _put_known(case.body)


def _put_known(fields: Any) -> None:
    """Every second id is one that exists; what is meant to be no id at all stays that."""
    if isinstance(fields, dict):
        for name in fields.keys() & _KNOWN.keys():
            value = fields[name]
            if (
                isinstance(value, str)
                and 0 < len(value) <= 256
                and "\x00" not in value
                and (number := next(_numbers)) % 2
            ):
                fields[name] = _KNOWN[name][number // 2 % len(_KNOWN[name])]
