"""Holds each answer against the OpenAPI document of the app that gave it: its status, media type, shape and code."""

import re
from functools import cache
from typing import Any

import httpx
import jsonschema_rs


def validator(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    """Of a schema that may refer to the document's components; formats are checked too."""
    whole = {**schema, "components": document["components"]}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


class Documented:
    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._operations = [
            (re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)) + "$"), method.upper(), operation)
            for path, operations in document["paths"].items()
            for method, operation in operations.items()
        ]
        # A path that is all text comes before one with a parameter in its place, as it does in the app.
        self._operations.sort(key=lambda each: each[0].pattern.count("[^/]+"))
        self._validator = cache(self._find_validator)

    def operation(self, method: str, path: str) -> dict[str, Any] | None:
        """None for what no route answers."""
        for pattern, its_method, operation in self._operations:
            if its_method == method and pattern.match(path):
                return operation
        return None

    def problem_with(self, method: str, path: str, answer: httpx.Response) -> str | None:
        """What the document does not say of this answer, in words; None when it says all of it."""
        operation = self.operation(method, path)
        if operation is None:
            return None
        declared = operation["responses"].get(str(answer.status_code))
        if declared is None:
            return f"the status {answer.status_code} is not documented: {answer.text[:500]}"
        media_type = answer.headers.get("content-type", "").partition(";")[0]
        if media_type not in declared.get("content", {"": {}}):
            return f"the content type {media_type!r} of {answer.status_code} is not documented"
        if not media_type:
            return None
        body = answer.json()
        if "x-codes" in declared and body["code"] not in declared["x-codes"]:
            return f"the code {body['code']} of {answer.status_code} is not documented"
        for error in self._validator(operation["operationId"], str(answer.status_code), media_type).iter_errors(body):
            return f"{answer.status_code} at {error.instance_path}: {error.message}"
        return None

    def _find_validator(self, operation_id: str, status: str, media_type: str) -> Any:
        for _, _, operation in self._operations:
            if operation["operationId"] == operation_id:
                return validator(self._document, operation["responses"][status]["content"][media_type]["schema"])
        raise LookupError(operation_id)

    async def check(self, answer: httpx.Response) -> None:
        """As an httpx hook: fails whichever test got an answer that is not documented."""
        await answer.aread()
        found = self.problem_with(answer.request.method, answer.request.url.path, answer)
        assert found is None, f"{answer.request.method} {answer.request.url}: {found}"
