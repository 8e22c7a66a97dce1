"""The only place that reads slots from a calendar file, and writes them into one."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr
from icalendar import Calendar, Component, Event, vRecur
from icalendar.prop import vDDDLists, vDDDTypes

from widget_server.domain.slot_files import ROWS_MAX, Reading, Remark, Wish, said_day
from widget_server.domain.slots import YEAR_MAX, OfferedSlot
from widget_server.errors import InvalidRequest
from widget_server.web.admin.ics_zones import calendars_in

YEAR_MIN = 1970
"""What repeats may have begun long ago."""
_WALKED_MAX = 100_000
_DAYS_WALKED_MAX = 2_000_000
"""Two or three seconds: a rule that seldom comes true is walked day by day."""
_VALUES_MAX = 62
"""Of one part of a rule: the days of a month, from its beginning and from its end."""
_EMPTY_MAX = 5
_NAME_LENGTH_MAX = 60
_FREQUENCIES = {"DAILY", "WEEKLY", "MONTHLY", "YEARLY"}
_PARTS = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", "BYMONTH", "BYMONTHDAY", "BYYEARDAY", "BYSETPOS"}
_LATER_YEARS = 19 * 400
"""Every 400 years the calendar is the same, weekdays and leap years, too. A rule that never comes true is followed up
to the year 9999: from there it is not far, while from today it takes seconds."""
_ONE_DAY = timedelta(days=1)
_UNREADABLE = "This calendar file cannot be read: is it whole, and exported as iCalendar (.ics)?"


def is_calendar(text: str) -> bool:
    return text.lstrip()[:15].upper() == "BEGIN:VCALENDAR"


def read_ics(text: str, zone: ZoneInfo, *, now: datetime, last: date) -> Reading:
    """What its events ask for; what repeats, up to the last day. Raises InvalidRequest where nothing of it is to be
    read."""
    events = _events_of(text)
    walk = _Walk(zone, now, last, _moved(events, zone))
    wishes: list[Wish] = []
    problems: list[Remark] = []
    for line, event in events:
        try:
            wishes.extend(walk.wishes(line, event))
        except ValueError as problem:
            problems.append(Remark(line, str(problem), _name_of(event)))
        if len(wishes) > ROWS_MAX:
            raise InvalidRequest(f"These are more than {ROWS_MAX:,} slots. Import them in several parts.")
    return Reading(tuple(wishes), tuple(problems), tuple(walk.notes()))


def written(days: Iterable[Sequence[OfferedSlot]], *, name: str, site: str, now: datetime) -> Iterator[bytes]:
    """A calendar file, day by day. An event of the same slot has the same UID in every file."""
    calendar = Calendar()
    calendar.add("prodid", "-//Tenuto//Slots//EN")
    calendar.add("version", "2.0")
    head, end = calendar.to_ical().split(b"END:")
    yield head
    for offered in days:
        yield b"".join(_event(one, name, f"{one.slot.id}@{site}.tenuto", now) for one in offered)
    yield b"END:" + end


def _event(offered: OfferedSlot, name: str, uid: str, now: datetime) -> bytes:
    event = Event()
    event.add("uid", uid)
    event.add("dtstamp", now)
    event.add("dtstart", offered.slot.starts_at)
    event.add("dtend", offered.slot.ends_at)
    event.add("summary", name)
    piece: bytes = event.to_ical()
    return piece


def _events_of(text: str) -> list[tuple[int, Component]]:
    """Each with the line on which it begins."""
    try:
        events = [event for calendar in calendars_in(text) for event in calendar.walk("VEVENT")]
    except InvalidRequest:
        raise
    except (
        Exception
    ) as problem:  # whatever a broken file makes of somebody else's parser, it is the file that is broken
        raise InvalidRequest(_UNREADABLE) from problem
    lines = [n for n, line in enumerate(text.split("\n"), 1) if line.strip().upper() == "BEGIN:VEVENT"]
    if len(lines) != len(events):
        raise InvalidRequest(_UNREADABLE)
    if not events:
        raise InvalidRequest("There are no events in this calendar file.")
    if len(events) > ROWS_MAX:
        raise InvalidRequest(f"These are more than {ROWS_MAX:,} events. Import them in several parts.")
    return list(zip(lines, events, strict=True))


def _moved(events: Iterable[tuple[int, Component]], zone: ZoneInfo) -> set[tuple[str, datetime]]:
    """Of what repeats, the single times that stand as events of their own."""
    found = set()
    for _, event in events:
        try:
            found.add((str(event.get("UID")), _instant(_moment(event, "RECURRENCE-ID", zone))))
        except ValueError:
            continue
    return found


@dataclass
class _Walk:
    zone: ZoneInfo
    now: datetime
    last: date
    moved: set[tuple[str, datetime]]
    walked: int = 0
    days_walked: int = 0
    empty: int = 0
    cancelled: int = 0
    cut: list[str] = field(default_factory=list)

    def wishes(self, line: int, event: Component) -> Iterator[Wish]:
        """Raises ValueError, saying what is wrong."""
        if str(event.get("STATUS", "")).upper() == "CANCELLED":
            self.cancelled += 1
            return
        if getattr(event.get("RECURRENCE-ID"), "params", {}).get("RANGE"):
            raise ValueError("moves all that follow (RANGE), which is not read.")
        starts = _moment(event, "DTSTART", self.zone)
        length = _length(event, starts, self.zone)
        for each in self._times(event, starts):
            yield self._wish(line, _name_of(event), each, length)
        if "RDATE" in event:
            raise ValueError("has extra dates (RDATE), which are not read. All others are.")

    def notes(self) -> Iterator[str]:
        if self.cancelled:
            yield f"Cancelled events that are left out: {self.cancelled}."
        if self.cut:
            more = f" and {len(self.cut) - 5} more" if len(self.cut) > 5 else ""
            names = ", ".join(self.cut[:5])
            yield f"Goes on after {said_day(self.last)}, the horizon of the service, and is cut there: {names}{more}."

    def _times(self, event: Component, starts: datetime) -> Iterator[datetime]:
        rule = event.get("RRULE")
        if rule is None:
            yield starts
            return
        past, is_empty = None, True
        for each in self._unexcepted(event, starts, _checked(rule)):
            if _instant(each) <= self.now:
                past = each
                continue
            is_empty = False
            yield each
        if is_empty and past is not None:
            yield past  # to be told as over

    def _unexcepted(self, event: Component, starts: datetime, rule: vRecur) -> Iterator[datetime]:
        moments, days = _exceptions(event, starts)
        uid = str(event.get("UID"))
        for each in self._repeated(event, starts, rule):
            at = _instant(each)
            if at not in moments and each.date() not in days and (uid, at) not in self.moved:
                yield each

    def _repeated(self, event: Component, starts: datetime, rule: vRecur) -> Iterator[datetime]:
        until, comes, before = _until(rule, starts), False, starts.date()
        for later in _occurrences(rule, starts):
            comes, each = True, later.replace(year=later.year - _LATER_YEARS, tzinfo=starts.tzinfo)
            self.walked, self.days_walked = self.walked + 1, self.days_walked + (each.date() - before).days
            before = each.date()
            if self.walked > _WALKED_MAX or self.days_walked > _DAYS_WALKED_MAX:
                raise InvalidRequest("These events repeat too often to be read.")
            if until is not None and _instant(each) > until:
                break
            if each.date() > self.last:
                self.cut.append(_name_of(event) or "an event without a name")
                break
            yield each
        if not comes:
            self._count_empty()

    def _count_empty(self) -> None:
        self.empty += 1
        if self.empty > _EMPTY_MAX:
            raise InvalidRequest("Several of these events repeat on days that never come.")
        raise ValueError("repeats on days that never come.")

    def _wish(self, line: int, name: str, starts: datetime, length: timedelta) -> Wish:
        """On other clocks than those of the site, its instants must come out the same."""
        if getattr(starts.tzinfo, "key", None) == self.zone.key:
            return Wish(line, starts.date(), starts.time(), (starts + length).time(), name=name)
        span = _instant(starts), _instant(starts + length)
        here, there = (at.astimezone(self.zone).replace(tzinfo=None) for at in span)
        if there - here >= _ONE_DAY:
            raise ValueError("lasts a day or longer: a slot is shorter than that.")
        return Wish(line, here.date(), here.time(), there.time(), name=name, exactly=span)


def _moment(event: Component, name: str, zone: ZoneInfo) -> datetime:
    """With its zone: where there is none, that of the site. Raises ValueError."""
    found = event.get(name)
    if not isinstance(found, vDDDTypes):
        raise ValueError(f"has no {name} that can be read.")
    at = found.dt
    if not isinstance(at, datetime):
        raise ValueError("lasts all day: a slot needs a start and an end.")
    if not YEAR_MIN <= at.year <= YEAR_MAX:
        raise ValueError(f"is not in the years {YEAR_MIN} to {YEAR_MAX}.")
    if at.second or at.microsecond:
        raise ValueError("has seconds: a slot begins and ends on a whole minute.")
    if at.tzinfo is not None:
        return at
    if "TZID" in found.params:
        raise ValueError(f"is in a time zone that is not known: {str(found.params['TZID'])[:_NAME_LENGTH_MAX]}.")
    return at.replace(tzinfo=zone)


def _length(event: Component, starts: datetime, zone: ZoneInfo) -> timedelta:
    """On the clocks of its start."""
    duration = event.get("DURATION")
    if "DTEND" in event:
        ends = _moment(event, "DTEND", zone).astimezone(starts.tzinfo)
        length = ends.replace(tzinfo=None) - starts.replace(tzinfo=None)
    elif isinstance(getattr(duration, "dt", None), timedelta):
        length = duration.dt
    else:
        raise ValueError("has no end.")
    if length <= timedelta():
        raise ValueError("ends at its start, or before it.")
    if length >= _ONE_DAY:
        raise ValueError("lasts a day or longer: a slot is shorter than that.")
    if length % timedelta(minutes=1):
        raise ValueError("has seconds: a slot begins and ends on a whole minute.")
    return length


def _checked(rule: object) -> vRecur:
    if not isinstance(rule, vRecur):
        raise ValueError("repeats by a rule that cannot be read, or by several.")
    strange = sorted({str(part).upper() for part in rule} - _PARTS)
    if strange:
        raise ValueError(f"repeats by a rule with {strange[0][:_NAME_LENGTH_MAX]}, which is not read.")
    if str(_only(rule, "FREQ")).upper() not in _FREQUENCIES:
        raise ValueError("repeats more often than every day, which is not read.")
    if any(len(_all(rule, str(part))) > _VALUES_MAX for part in rule):
        raise ValueError("repeats by a rule that is too long to be read.")
    if any(not isinstance(each, int) or each < 1 for each in _all(rule, "INTERVAL")):
        raise ValueError("repeats by a rule that cannot be read.")  # one that stays where it is would never end
    return rule


def _all(rule: vRecur, name: str) -> list[object]:
    found = rule.get(name, [])
    return found if isinstance(found, list) else [found]


def _only(rule: vRecur, name: str) -> object:
    return next(iter(_all(rule, name)), None)


def _occurrences(rule: vRecur, starts: datetime) -> Iterator[datetime]:
    """Thousands of years later, see above. Without UNTIL, which may be on other clocks."""
    bare = vRecur({name: value for name, value in rule.items() if str(name).upper() != "UNTIL"})
    first = starts.replace(year=starts.year + _LATER_YEARS, tzinfo=None)
    try:
        yield from rrulestr(bare.to_ical().decode(), dtstart=first)  # type: ignore[no-untyped-call]
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as problem:
        raise ValueError("repeats by a rule that cannot be read.") from problem


def _until(rule: vRecur, starts: datetime) -> datetime | None:
    until = _only(rule, "UNTIL")
    if isinstance(until, datetime):
        return _instant(until if until.tzinfo is not None else until.replace(tzinfo=starts.tzinfo))
    if isinstance(until, date):
        return _instant(datetime.combine(until, time(23, 59), starts.tzinfo))
    if until is not None:
        raise ValueError("repeats by a rule that cannot be read.")
    return None


def _exceptions(event: Component, starts: datetime) -> tuple[set[datetime], set[date]]:
    moments: set[datetime] = set()
    days: set[date] = set()
    found = event.get("EXDATE", [])
    for each in found if isinstance(found, list) else [found]:
        if not isinstance(each, vDDDLists):
            raise ValueError("has exceptions (EXDATE) that cannot be read.")
        for one in each.dts:
            if isinstance(one.dt, datetime):
                moments.add(_instant(one.dt if one.dt.tzinfo is not None else one.dt.replace(tzinfo=starts.tzinfo)))
            elif isinstance(one.dt, date):
                days.add(one.dt)
    return moments, days


def _instant(at: datetime) -> datetime:
    """A time that clocks skip is as much later as was skipped; of two the first. The zone may be one that the file
    brings along."""
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("is in no year that can be read.") from None


def _name_of(event: Component) -> str:
    said = " ".join(str(event.get("SUMMARY", "")).split())[:_NAME_LENGTH_MAX]
    return f"\u201c{said}\u201d" if said else ""
