"""Calendar periods of a time zone, in which sales are counted."""

from functools import cache
from typing import Literal, get_args
from zoneinfo import available_timezones

By = Literal["day", "week", "month"]
PERIODS: tuple[str, ...] = get_args(By)


@cache
def zones() -> frozenset[str]:
    """The names of the time zones of the world, as IANA writes them; `localtime` is no more than this machine's."""
    return frozenset(available_timezones() - {"localtime"})
