"""Field types of HTTP bodies: strict, bounded, and nothing that PostgreSQL would refuse later."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
)


class Model(BaseModel):
    """What HTTP callers send: strict types, no unknown fields, no NaN."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("the character U+0000 is not allowed")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("half of a surrogate pair is not a character")
    return text


def _written(value: Any) -> Any:
    # Pydantic would also take a number in quotes, as seconds since 1970.
    if not isinstance(value, datetime) and not (isinstance(value, str) and value[4:5] == "-"):
        raise ValueError("an instant is an RFC 3339 text with an offset")
    return value


def _in_utc(at: datetime) -> datetime:
    # At the ends of the calendar a zone would lead out of it, and the driver takes them for infinite.
    if not 1 < at.year < 9999:
        raise ValueError("this instant lies outside the years 2 to 9998")
    return at.astimezone(UTC)


Text = Annotated[str, StringConstraints(min_length=1, max_length=256), AfterValidator(_storable)]
LongText = Annotated[str, StringConstraints(max_length=4000), AfterValidator(_storable)]
Minor = Annotated[int, Field(ge=0, le=2**53 - 1, description="minor units of the currency")]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
# FastAPI hands over parsed JSON, where an instant is still text: strictness is ours to keep here.
Instant = Annotated[AwareDatetime, Strict(False), BeforeValidator(_written), AfterValidator(_in_utc)]
