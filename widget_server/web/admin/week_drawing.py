"""The only place that draws a week: where each block stands, by classes of the style sheet, and what it says.

The policy of these pages allows no styles in the page, so a place is spelled by classes, to the minute.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from widget_server.domain.slots import SlotState
from widget_server.domain.wall_times import MIDNIGHT
from widget_server.domain.week_axis import HOUR_MIN, Axis, Stretch, lanes
from widget_server.domain.week_blocks import Block, Dark, OnShift, Open, SeenSlot
from widget_server.use_cases.week import Week
from widget_server.web.admin.times import said_span
from widget_server.web.admin.writing import moment

LANES_MAX = 24
"""The style sheet knows so many; what lies beside more of them lies upon the last."""
_DRAWN_MIN = 15
"""Shorter blocks are drawn as if they took so many minutes: else they could not be read."""
_FIRST_HOUR, _LAST_HOUR = 8, 18
_SHORT_MIN = 30


@dataclass(slots=True)
class Drawn:
    """One block on one day."""

    key: str
    href: str
    name: str
    when: str
    kind: str
    """Its class: what it is, and how it is."""
    top: int
    bottom: int
    told: str = ""
    """What else there is to say of it."""
    ends_at: datetime | None = None
    """Of the first hold to end."""
    place: str = ""
    of: int = 1
    """So many lie beside each other there."""

    @property
    def text(self) -> str:
        return ", ".join(part for part in (self.name, self.when, self.told) if part)

    @property
    def is_short(self) -> bool:
        return self.bottom - self.top <= _SHORT_MIN


@dataclass(slots=True)
class DrawnDay:
    day: date
    is_today: bool
    is_chosen: bool
    note: str
    opens: list[Drawn] = field(default_factory=list)
    shifts: list[Drawn] = field(default_factory=list)
    times: list[Drawn] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """Places in which this day has no time."""
    now: str = ""

    @property
    def lists(self) -> tuple[tuple[str, str, list[Drawn], int], ...]:
        """Class, name and blocks of each list, and how many lie beside each other at most."""
        lists = (("opens", "Open", self.opens), ("shifts", "On shift", self.shifts), ("times", "Times", self.times))
        return tuple((kind, name, drawn, _widest(drawn)) for kind, name, drawn in lists)


@dataclass(frozen=True, slots=True)
class DrawnWeek:
    days: list[DrawnDay]
    marks: list[tuple[str, str]]
    """The place and the time of each full hour."""
    height: str
    has_slots: bool


def draw(week: Week, zone: ZoneInfo, path: str, *, chosen: date, staff: str = "") -> DrawnWeek:
    """`path` is that of the site's rooms, `staff` the name of whose week it is."""
    axis = Axis(week.days.all, zone)
    today = week.now.astimezone(zone).date()
    days = {day: DrawnDay(day, day == today, day == chosen, _note(axis.hours(day))) for day in week.days.all}
    words = _Words(week, zone, path, staff)
    for block in week.blocks:
        drawn = words.of(block)
        for day, top, bottom in _pieces(block, axis, week, zone):
            _list_of(days[day], block).append(replace(drawn, top=top, bottom=bottom))
    first, last = _range(days.values(), axis.length)
    for day, of_day in days.items():
        for drawn_list in (of_day.opens, of_day.shifts, of_day.times):
            _place(drawn_list, first, last)
        missing = ((max(top, first), min(bottom, last)) for top, bottom in axis.missing(day))
        of_day.missing = [_at(top - first, bottom - top) for top, bottom in missing if top < bottom]
        if of_day.is_today and first <= (minute := axis.minute(day, week.now)) < last:
            of_day.now = _at(minute - first, 0)
    marks = [(_at(mark.minute - first, 0), f"{mark.hour:02}:00") for mark in axis.marks(first, last)]
    has_slots = any(isinstance(block, SeenSlot) for block in week.blocks)
    return DrawnWeek(list(days.values()), marks, _at(0, last - first), has_slots)


class _Words:
    """What blocks are called, and where they lead."""

    def __init__(self, week: Week, zone: ZoneInfo, path: str, staff: str) -> None:
        self._week = week
        self._zone = zone
        self._path = path
        self._staff = staff

    def of(self, block: Block) -> Drawn:
        match block:
            case Open():
                return self._open(block)
            case OnShift():
                return self._shift(block)
            case Dark():
                return self._dark(block)
            case SeenSlot():
                return self._slot(block)

    def _open(self, block: Open) -> Drawn:
        service, *more = block.services
        name = f"{len(more) + 1} services open" if more else f"{service.name} open"
        told = ", ".join(each.name for each in block.services) if more else ""
        week = f"?week={self._week.days.all[0]}"
        href = f"{self._path}/services" + ("" if more else f"/{service.key}/calendar{week}")
        return self._drawn(block, f"open {service.key}", href, name, "open", told)

    def _shift(self, block: OnShift) -> Drawn:
        member, *more = block.members
        name = f"{len(more) + 1} on shift" if more else member.name
        told = ", ".join(each.name for each in block.members) if more else ""
        return self._drawn(
            block,
            f"shift {member.key}",
            f"{self._path}/staff" + ("" if more else f"/{member.key}"),
            name,
            "shift",
            told,
        )

    def _dark(self, block: Dark) -> Drawn:
        blackout = block.blackout
        href = f"{self._path}/blackouts/{blackout.id}"
        return self._drawn(
            block, f"dark {blackout.id}", href, blackout.reason or "Blackout", "dark", "Nothing can be booked"
        )

    def _slot(self, block: SeenSlot) -> Drawn:
        href = f"{self._path}/meetings/{block.slot.id}"
        is_over = block.ends_at <= self._week.now
        has_hold = bool(block.held) and not is_over
        kind = f"slot {_look_of(block)}" + (" over" if is_over else "") + (" is-held" if has_hold else "")
        told = ", ".join(
            part for part in (_said_seats(block), self._said_state(block), self._said_staff(block)) if part
        )
        drawn = self._drawn(block, block.slot.id, href, block.service_name, kind, told)
        return replace(drawn, ends_at=block.frees_at if has_hold else None)

    def _said_state(self, block: SeenSlot) -> str:
        if block.starts_at <= self._week.now:
            return "over" if block.ends_at <= self._week.now else "on now"
        if block.is_frozen:
            return "frozen"
        if not block.is_offered:
            return "not offered any more"
        if block.left is None:
            return "held: not known"
        if block.left == 0:
            return "all held" if block.state is SlotState.HELD else "full"
        return f"{block.left:,} left" if block.state is not SlotState.CLOSED else "cannot be booked now"

    def _said_staff(self, block: SeenSlot) -> str:
        return f"with {self._staff}" if block.is_served else ""

    def _drawn(self, block: Block, key: str, href: str, name: str, kind: str, told: str) -> Drawn:
        starts, ends = (at.astimezone(self._zone) for at in (block.starts_at, block.ends_at))
        when = _said_when(starts, ends, self._zone)
        return Drawn(f"{key} {block.starts_at:%d%H%M}", href, name, when, kind, 0, 0, told)


def _said_when(starts: datetime, ends: datetime, zone: ZoneInfo) -> str:
    days = (ends.date() - starts.date()).days
    if days == 1 and starts.time() == ends.time() == MIDNIGHT:
        return "all day"
    return said_span(starts, ends) if days <= 1 else f"{moment(starts, zone)} \N{EN DASH} {moment(ends, zone)}"


def _said_seats(block: SeenSlot) -> str:
    held = f", {block.held:,} held" if block.held else ""
    return f"{block.booked:,} of {block.capacity:,} booked{held}"


def _look_of(block: SeenSlot) -> str:
    """One word for the style sheet."""
    if block.is_frozen or not block.is_offered:
        return "frozen"
    if block.left == 0 or block.booked >= block.capacity:
        return "full"
    if block.booked:
        return "some"
    return "shut" if block.state is SlotState.CLOSED else "free"


def _pieces(block: Block, axis: Axis, week: Week, zone: ZoneInfo) -> Iterable[tuple[date, int, int]]:
    """On which days it is, and from where to where on each of them."""
    days = week.days.all
    first = max(0, (block.starts_at.astimezone(zone).date() - days[0]).days)
    last = min(len(days) - 1, (block.ends_at.astimezone(zone).date() - days[0]).days)
    for day in days[first : last + 1]:
        top, bottom = axis.minute(day, block.starts_at), axis.minute(day, block.ends_at)
        if top < bottom:
            yield day, top, bottom


def _list_of(of_day: DrawnDay, block: Block) -> list[Drawn]:
    if isinstance(block, Open):
        return of_day.opens
    return of_day.shifts if isinstance(block, OnShift) else of_day.times


def _range(days: Iterable[DrawnDay], length: int) -> Stretch:
    """The full hours between which there is anything but what lasts the whole day."""
    found = [one for day in days for each in (day.opens, day.shifts, day.times) for one in each]
    found = [one for one in found if one.top > 0 or one.bottom < length]
    first = min((one.top for one in found), default=_FIRST_HOUR * HOUR_MIN) // HOUR_MIN
    last = -(-max((one.bottom for one in found), default=_LAST_HOUR * HOUR_MIN) // HOUR_MIN)
    last = max(last, min(first + 4, length // HOUR_MIN))
    return first * HOUR_MIN, min(last * HOUR_MIN, length)


def _place(drawn: list[Drawn], first: int, last: int) -> None:
    """Beside each other where they overlap, in the order of their starts."""
    drawn.sort(key=lambda one: (one.top, one.bottom, one.key))
    stretches = []
    for one in drawn:
        one.top, one.bottom = max(one.top, first) - first, min(one.bottom, last) - first
        stretches.append((one.top, max(one.bottom, one.top + _DRAWN_MIN)))
    for one, (top, bottom), (lane, of) in zip(drawn, stretches, lanes(stretches), strict=True):
        one.of = min(of, LANES_MAX)
        one.place = f"{_at(top, bottom - top)} lane-{min(lane, LANES_MAX - 1)} of-{one.of}"


def _widest(drawn: Iterable[Drawn]) -> int:
    return max((one.of for one in drawn), default=1)


def _note(hours: int) -> str:
    if hours == 24:
        return ""
    return f"{hours} hours: clocks go {'back' if hours > 24 else 'forward'}"


def _at(top: int, height: int) -> str:
    return f"at-h{top // HOUR_MIN} at-m{top % HOUR_MIN} for-h{height // HOUR_MIN} for-m{height % HOUR_MIN}"
