"""The only place that lets calendar files bring time zones: for themselves alone, and with rules soon followed."""

from collections.abc import Iterator, Sequence
from threading import Lock

from icalendar import Calendar, Component, vRecur
from icalendar.timezone import tzp

from widget_server.errors import InvalidRequest

_RULES_MAX = 60
_YEAR_MIN = 1600
_PARTS = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYMONTH", "BYMONTHDAY", "BYDAY"}
_VALUES_MAX = {"BYMONTHDAY": 7}
"""`8,9,…,14` with a weekday is how some programs say the second of a month. Of all others there is one."""

_one_at_a_time = Lock()


def calendars_in(text: str) -> Sequence[Component]:
    """With all times in their zones. Raises InvalidRequest for a zone that is none, else whatever the parser raises.

    The parser keeps zones that it does not know under their names, for all files to come: another file with a zone of
    that name would be read by these clocks, an hour off or more. So it forgets them before each.
    """
    with _one_at_a_time:
        tzp.use_default()
        calendars: Sequence[Component] = Calendar.from_ical(text, multiple=True)
    _must_be_soon_followed(calendars)
    return calendars


def _must_be_soon_followed(calendars: Sequence[Component]) -> None:
    """Clocks change once or twice a year. A zone whose clocks change every second would never be worked out."""
    rules = [each for calendar in calendars for zone in calendar.walk("VTIMEZONE") for each in _rules_of(zone)]
    if len(rules) > _RULES_MAX or not all(map(_is_yearly, rules)):
        raise InvalidRequest("This calendar file brings a time zone along whose clocks change too often to be read.")


def _rules_of(zone: Component) -> Iterator[tuple[Component, object]]:
    for part in zone.subcomponents:
        found = part.get("RRULE", [])
        yield from ((part, rule) for rule in (found if isinstance(found, list) else [found]))


def _is_yearly(rule_of: tuple[Component, object]) -> bool:
    part, rule = rule_of
    begins = getattr(part.get("DTSTART"), "dt", None)
    if not isinstance(rule, vRecur) or getattr(begins, "year", 0) < _YEAR_MIN:
        return False
    found = {str(name).upper(): value if isinstance(value, list) else [value] for name, value in rule.items()}
    return (
        found.keys() <= _PARTS
        and [str(each).upper() for each in found.get("FREQ", [])] == ["YEARLY"]
        and all(len(values) <= _VALUES_MAX.get(name, 1) for name, values in found.items())
    )
