"""The only place that reads from an address what an operator looks for, and writes it into another one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from starlette.requests import Request

from widget_server.domain.bookings import BookingState
from widget_server.domain.dashboard import TEXT_LENGTH_MAX, Place, Sorting, Wanted
from widget_server.domain.wall_times import first_instant
from widget_server.web.forms import NUL

YEAR_MIN, YEAR_MAX = 2000, 2199
_FIELDS = ("text", "service", "from", "to", "state", "staff", "sort")


@dataclass(frozen=True, slots=True)
class Look:
    """What stands in the form, what it means, and where in the list to go on. What makes no sense wants nothing."""

    typed: Mapping[str, str]
    wanted: Wanted
    after: Place | None
    before: Place | None
    is_asked: bool
    """Whether somebody has sent the form, or followed a link that looks for something."""

    @property
    def is_narrow(self) -> bool:
        """Whether anything but the order was chosen."""
        return any(self.typed[name] for name in _FIELDS if name != "sort")

    @property
    def is_further(self) -> bool:
        return self.after is not None or self.before is not None

    @property
    def query(self) -> str:
        return urlencode({name: value for name, value in self.typed.items() if value})

    def query_with(self, name: str, place: Place) -> str:
        return urlencode({name: value for name, value in self.typed.items() if value} | {name: str(place)})


def read_look(request: Request, zone: ZoneInfo, *, since_today: datetime | None = None) -> Look:
    """`since_today`: where nothing is asked at all, what begins from that day on."""
    asked = request.query_params
    typed = {name: read_text(asked.get(name, "")) for name in _FIELDS}
    if since_today is not None and not asked:
        typed["from"] = since_today.astimezone(zone).date().isoformat()
    first, last = read_day(typed["from"]), read_day(typed["to"])
    wanted = Wanted(
        service=typed["service"],
        since=first_instant(first, time(0), zone) if first else None,
        until=first_instant(last + timedelta(days=1), time(0), zone) if last else None,
        state=BookingState(typed["state"]) if typed["state"] in set(BookingState) else None,
        staff=typed["staff"],
        text=typed["text"],
        sorting=Sorting(typed["sort"]) if typed["sort"] in set(Sorting) else Sorting.NEWEST,
    )
    after, before = (Place.parse(asked.get(name, "")) for name in ("after", "before"))
    return Look(typed, wanted, after, before, is_asked=bool(asked))


def read_text(text: str) -> str:
    """What is looked for, in one line."""
    return " ".join(text.replace(NUL, " ").split())[:TEXT_LENGTH_MAX]


def read_day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if YEAR_MIN <= day.year <= YEAR_MAX else None
