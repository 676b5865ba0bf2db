"""Durations as people write them: `4 hours`, `90 minutes`, `1 week`."""

import re
from datetime import timedelta

_UNITS = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}
_DURATION = re.compile(r"([0-9]{1,6}) (second|minute|hour|day|week)s?")
_BUSINESS = re.compile(r".{0,20}\b(business|working|work|office)\b.{0,40}", re.IGNORECASE)
_LONGEST = timedelta(weeks=520)


class BadDuration(ValueError):
    """A text that is no duration; the message says how to write one."""


def duration_of(text: str) -> timedelta:
    """Return the duration that a text says, or raise BadDuration."""
    match = _DURATION.fullmatch(text)
    if match is None:
        if _BUSINESS.fullmatch(text):
            raise BadDuration(
                "business time is not supported yet: write plain time, such as '4 hours'"
            )
        raise BadDuration(
            "is not a duration: write a whole number and a unit, such as '30 seconds', "
            "'90 minutes', '4 hours', '2 days' or '1 week'"
        )
    duration = int(match[1]) * _UNITS[match[2]]
    if not duration:
        raise BadDuration("is no time at all: a deadline needs at least 1 second")
    if duration > _LONGEST:
        raise BadDuration("is more than 520 weeks, the longest deadline")
    return duration
