"""The cells of one row by our names, as texts, instants and money. What cannot be read is a BadRow, never a guess."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Context, Decimal, Inexact, InvalidOperation
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from tools.importing.options import Money, Options, Twice
from tools.importing.problems import BadRow, Unclear

# ISO 4217 currencies whose minor unit is not a hundredth.
_WHOLE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF XXX"
_THOUSANDTHS = "BHD IQD JOD KWD LYD OMR TND"
_EXACT = Context(prec=60, traps=[Inexact, InvalidOperation])
# A sum of binary fractions is off by less than this of a cent.
_BINARY_NOISE = Decimal("1e-6")
_CURRENCY = re.compile("[A-Z]{3}")
# Thousands may be grouped, but only by threes: 12,50 is no amount where a point parts the decimals.
_AMOUNTS = {
    Money.MINOR: re.compile(r"\d+"),
    Money.POINT: re.compile(r"(\d+|\d{1,3}(,\d{3})+)(\.\d+)?"),
    Money.COMMA: re.compile(r"(\d+|\d{1,3}([.\u00a0\u202f ]\d{3})+)(,\d+)?"),
}
_GROUPING = {Money.MINOR: "", Money.POINT: ",", Money.COMMA: ".\u00a0\u202f "}
_YES_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_LONGEST = 256
_FIRST_YEAR, _LAST_YEAR = 2, 9998


class Cells:
    """`names` says what each of our columns is called in the file."""

    def __init__(self, options: Options, names: Mapping[str, str]) -> None:
        self._options = options
        self._names = names
        self._values: dict[str, Any] = {}

    def fill(self, values: dict[str, Any]) -> "Cells":
        self._values = values
        return self

    def __contains__(self, column: str) -> bool:
        return column in self._names

    def has(self, column: str) -> bool:
        """Whether this row says something there."""
        return self._get(column) is not None

    def bad(self, column: str, reason: str) -> BadRow:
        return BadRow(self._names.get(column, column), reason)

    def _get(self, column: str) -> Any:
        value = self._values.get(column)
        # What a data frame has no value for is "not a number" in a Parquet file.
        return None if value == "" or value != value else value

    def text(self, column: str, default: str | None = None) -> str:
        """An identifier or a name, byte for byte."""
        value = self._get(column)
        if value is None:
            if default is None:
                raise self.bad(column, "is empty")
            return default
        return self._text(column, value)

    def text_or_none(self, column: str) -> str | None:
        value = self._get(column)
        return None if value is None else self._text(column, value)

    def texts(self, column: str) -> list[str]:
        """A list, or texts with commas between them."""
        value = self._get(column)
        if value is None:
            return []
        parts = value if isinstance(value, list) else [part.strip() for part in str(value).split(",")]
        found = [self._text(column, part) for part in parts if part != ""]
        if len(found) > 50:
            raise self.bad(column, f"{len(found)} of them, more than 50")
        return found

    def _text(self, column: str, value: Any) -> str:
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise self.bad(column, f"{value!r} is neither a text nor a whole number")
        if len(value) > _LONGEST:
            raise self.bad(column, f"{len(value)} characters, more than {_LONGEST}")
        if "\0" in value:
            raise self.bad(column, "holds the character U+0000")
        return value

    def flag(self, column: str) -> bool | None:
        value = self._get(column)
        if value is None:
            return None
        found = _YES_NO.get(str(value).strip().lower())
        if found is None:
            raise self.bad(column, f"{value!r} is none of {', '.join(_YES_NO)}")
        return found

    def instant(self, column: str) -> datetime:
        found = self.instant_or_none(column)
        if found is None:
            raise self.bad(column, "is empty")
        return found

    def instant_or_none(self, column: str) -> datetime | None:
        value = self._get(column)
        if value is None:
            return None
        local = self._local(column, value)
        if not _FIRST_YEAR < local.year < _LAST_YEAR:
            raise self.bad(column, f"{value} lies outside the years {_FIRST_YEAR} to {_LAST_YEAR}")
        at = local.astimezone(UTC) if local.tzinfo else self._in_zone(column, local)
        if at > self._options.now:
            raise self.bad(column, f"{value} lies in the future")
        return at

    def _local(self, column: str, value: Any) -> datetime:
        if isinstance(value, datetime):
            return value
        if isinstance(value, date):
            return datetime.combine(value, time())
        try:
            return _parse(str(value).strip(), self._options.time_format)
        except ValueError as error:
            wanted = f"of the form {self._options.time_format}" if self._options.time_format else "in ISO 8601"
            hint = "" if self._options.time_format else "; --time-format says another form"
            raise self.bad(column, f"{str(value)!r} is no date and time {wanted}{hint}") from error

    def _in_zone(self, column: str, local: datetime) -> datetime:
        zone = self._options.zone
        if zone is None:
            raise Unclear(
                "--zone", f"{self._names[column]} {local} does not say its time zone; for example --zone Europe/Berlin"
            )
        found = _instants(local, zone)
        if not found:
            raise self.bad(column, f"{local} was skipped when the clocks of {zone} were put forward")
        if len(found) == 2 and self._options.twice is None:
            raise self.bad(column, f"{local} was twice in {zone}: --twice earlier or later says which is meant")
        return found[-1] if self._options.twice is Twice.LATER else found[0]

    def currency(self) -> str:
        found = self.text_or_none("currency") or self._options.currency
        if found is None:
            raise self.bad("currency", "is empty, and --currency does not say it")
        if not _CURRENCY.fullmatch(found):
            raise self.bad("currency", f"{found!r} is not a code such as EUR")
        return found

    def money(self, column: str, currency: str) -> int:
        """In minor units."""
        value = self._get(column)
        if value is None:
            raise self.bad(column, "is empty")
        return self.minor(column, self.amount(column), currency, binary=isinstance(value, float))

    def amount(self, column: str) -> Decimal:
        """A number as it is written."""
        value = self._get(column)
        if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
            return self._finite(column, Decimal(str(value)))
        if value is None:
            raise self.bad(column, "is empty")
        style = self._options.money or Money.POINT
        text = str(value).strip()
        if not _AMOUNTS[style].fullmatch(text):
            raise self.bad(column, f"{text!r} is no amount as --money {style} has them")
        plain = text.translate(dict.fromkeys(map(ord, _GROUPING[style]))).replace(",", ".")
        return Decimal(plain)

    def _finite(self, column: str, amount: Decimal) -> Decimal:
        if not amount.is_finite() or amount < 0:
            raise self.bad(column, f"{amount} is not an amount of 0 or more")
        return amount

    def minor(self, column: str, amount: Decimal, currency: str, *, binary: bool = False) -> int:
        try:
            minor = amount if self._options.money is Money.MINOR else _EXACT.scaleb(amount, decimals_of(currency))
            whole = int(minor.to_integral_value())
        except ArithmeticError as error:
            raise self.bad(column, f"{amount} is no amount of {currency}") from error
        if minor != whole and not (binary and abs(minor - whole) < _BINARY_NOISE):
            raise self.bad(column, f"{amount} is not a whole number of minor units of {currency}")
        if whole >= 2**53:
            raise self.bad(column, f"{amount} is more than 2^53 minor units")
        return whole


def decimals_of(currency: str) -> int:
    """How many decimals an amount of it has."""
    return 0 if currency in _WHOLE else 3 if currency in _THOUSANDTHS else 2


@lru_cache(10_000)
def _parse(text: str, form: str | None) -> datetime:
    # Whether it says its zone is looked at by who asked.
    return datetime.strptime(text, form) if form else datetime.fromisoformat(text)  # noqa: DTZ007


@lru_cache(10_000)
def _instants(local: datetime, zone: ZoneInfo) -> list[datetime]:
    """The instants at which clocks there showed this: none when they were put forward, two when they were put back."""
    one, other = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if one.utcoffset() == other.utcoffset():
        return [one.astimezone(UTC)]
    both = sorted((one.astimezone(UTC), other.astimezone(UTC)))
    return [at for at in both if at.astimezone(zone).replace(tzinfo=None, fold=0) == local]
