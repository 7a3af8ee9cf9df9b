"""Keyset pages: `?limit=50&cursor=…` → `{"data", "has_more", "next_cursor"}`. A cursor belongs to its list."""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Generic, Self, TypeVar

import msgspec
from fastapi import Query
from pydantic import BaseModel

from shared.errors import Invalid

T = TypeVar("T")
Limit = Annotated[int, Query(ge=1, le=200, description="how many at the most")]
Cursor = Annotated[str | None, Query(max_length=1000, description="`next_cursor` of the page before")]


class Page(BaseModel, Generic[T]):
    data: list[T]
    has_more: bool
    next_cursor: str | None = None

    @classmethod
    def of(
        cls, rows: Sequence[Any], limit: int, key: Callable[[Any], list[str | int]], item: Callable[[Any], T]
    ) -> Self:
        """A page of `limit` out of `limit + 1` rows; `key` is what the list is ordered by."""
        shown = rows[:limit]
        more = len(rows) > limit
        return cls(
            data=[item(row) for row in shown],
            has_more=more,
            next_cursor=encode_cursor(key(shown[-1])) if more else None,
        )


def encode_cursor(values: list[str | int]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(values)).decode().rstrip("=")


def decode_cursor(cursor: str | None, *types: type) -> list[Any] | None:
    """The values of a cursor, each of its type; raises Invalid for a cursor that this list did not give.

    Where a datetime is wanted, the list gave its isoformat."""
    if cursor is None:
        return None
    try:
        values = msgspec.json.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=list[str | int])
        values = [_instant(value) if kind is datetime else value for value, kind in zip(values, types, strict=True)]
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        values = None
    texts_are_sound = values is not None and not any(isinstance(value, str) and "\x00" in value for value in values)
    if values is None or not texts_are_sound or [type(value) for value in values] != list(types):
        raise Invalid("this cursor was not given by this list", code="cursor-invalid", pointer="/cursor")
    return values


def _instant(value: str | int) -> datetime:
    at = datetime.fromisoformat(str(value))
    if at.utcoffset() != timedelta(0):
        raise ValueError("our cursors hold UTC")
    return at
