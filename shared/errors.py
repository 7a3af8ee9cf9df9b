"""What can be refused, and how it reads: RFC 9457 problem details with a stable code. Services add their own codes."""

from typing import Any, ClassVar


class Refusal(Exception):
    """A request or an event that breaks a rule. Subclasses say which kind; `code` is what programs look at."""

    status: ClassVar[int] = 422
    code: str = "invalid"
    # Where one class is raised with several codes: all of them.
    codes: ClassVar[tuple[str, ...]] = ()

    def __init__(self, detail: str, *, code: str | None = None, pointer: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or type(self).code
        self.pointer = pointer

    @property
    def errors(self) -> list[dict[str, str]]:
        """Each broken rule with the JSON pointer of its field."""
        if self.pointer is None:
            return []
        return [{"pointer": self.pointer, "code": self.code, "detail": self.detail}]


class Invalid(Refusal):
    status = 422
    code = "invalid"


class NotFound(Refusal):
    status = 404
    code = "not-found"


class Conflict(Refusal):
    status = 409
    code = "conflict"


class Forbidden(Refusal):
    status = 403
    code = "forbidden"


class Unauthenticated(Refusal):
    status = 401
    code = "unauthenticated"


class TooLarge(Refusal):
    status = 413
    code = "too-large"


class TooMany(Refusal):
    """More than can be taken now; worth trying again."""

    status = 429
    code = "too-many"


class Unavailable(Refusal):
    """A database or broker is missing: not the caller's fault, and worth trying again."""

    status = 503
    code = "unavailable"


TITLES = {
    400: "Bad request",
    401: "Unauthenticated",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    415: "Unsupported media type",
    422: "Invalid",
    429: "Too many requests",
    500: "Internal error",
    503: "Unavailable",
}


def problem(
    *, status: int, code: str, detail: str, instance: str, request_id: str, errors: list[dict[str, str]]
) -> dict[str, Any]:
    """The body of `application/problem+json`."""
    return {
        "type": f"urn:comeback:problem:{code}",
        "title": TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
        "instance": instance,
        "code": code,
        "request_id": request_id,
        "errors": errors,
    }
