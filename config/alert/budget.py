"""How much people can look at: so many an hour or a day, or a share of all events. One spelling for every budget."""

from __future__ import annotations

import re
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BeforeValidator

HOUR, DAY = 3_600_000, 86_400_000
"""Milliseconds of one."""
MOST = 1_000_000_000
_NUMBER = re.compile(r"(\d{1,10}) ?/ ?(hour|day)")
_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,6})?) ?%")
_PERIODS = {"hour": HOUR, "day": DAY}


class Rate(NamedTuple):
    """A budget as a number of things in a period of event time, or as a share of all events."""

    number: int
    """In each period; 0 for a share."""
    period: int
    """Milliseconds; 0 for a share."""
    share: float = 0.0


def rate_of(text: str) -> Rate:
    """What a budget says. Raises ValueError for what is none.

    >>> rate_of("200/day"), rate_of("0.5%")
    (Rate(number=200, period=86400000, share=0.0), Rate(number=0, period=0, share=0.005))
    """
    if (found := _NUMBER.fullmatch(text)) and int(found[1]) <= MOST:
        return Rate(int(found[1]), _PERIODS[found[2]])
    if (found := _SHARE.fullmatch(text)) and 0.0 < float(found[1]) <= 100.0:
        return Rate(0, 0, float(found[1]) / 100.0)
    if found:
        raise ValueError(f"{text[:40]!r} is no share of all events: it is above 0% and at most 100%")
    raise ValueError(f"{text[:40]!r} is no budget: write `200/day`, `20/hour` or, of all events, `0.5%`")


def _is_budget(text: str) -> str:
    rate_of(text)
    return text


def _is_number(text: str) -> str:
    found = _NUMBER.fullmatch(text)
    if found is None or int(found[1]) > MOST:
        raise ValueError(f"{text[:40]!r} is no number in a time, which this budget is: write `200/day` or `20/hour`")
    return text


def _with_a_time(value: Any) -> Any:
    """A number alone is no budget of alerts: nothing says in which time, or whether it is a share."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _an_hour(value: Any) -> Any:
    """A whole number, which was the only spelling once, is so many an hour."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value}/hour"
    return f"{value}/hour" if isinstance(value, str) and value.isdecimal() else value


Budget = Annotated[str, BeforeValidator(_with_a_time), AfterValidator(_is_budget)]
"""`200/day`, `20/hour`, or a share of all events, `0.5%`."""
NumberBudget = Annotated[str, BeforeValidator(_an_hour), AfterValidator(_is_number)]
"""`200/day` or `20/hour`; a number alone is one an hour."""
