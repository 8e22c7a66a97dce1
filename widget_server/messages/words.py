"""The only place for the languages of messages: their sentences, and days and times as they write them."""

import json
from datetime import datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time, get_timezone_name

from widget_server.domain.slots import Slot

_FOLDER = Path(__file__).parent / "texts"
LANGUAGES = ("en", "de")
"""Each has a file of texts; the first is for those whose own is not among them."""


class Words:
    """One language, as written in one country."""

    def __init__(self, locale: Locale) -> None:
        self._locale = locale
        self._texts = texts_of(locale.language)

    @property
    def code(self) -> str:
        return str(self._locale).replace("_", "-")

    def say(self, key: str, **values: str) -> str:
        """The texts are ours, and so are the names in them; what is put in is never taken for a template."""
        return self._texts[key].format_map(values)

    def seats(self, count: int) -> str:
        return self.say("seats.one" if count == 1 else "seats.other", count=str(count))

    def span(self, slot: Slot, zone: ZoneInfo) -> str:
        """`Monday, 23 November 2026, 10:00-11:00`, and the day of the end where it is another one."""
        starts, ends = slot.starts_at.astimezone(zone), slot.ends_at.astimezone(zone)
        until = self.clock(ends) if starts.date() == ends.date() else f"{self.day(ends)}, {self.clock(ends)}"
        return f"{self.day(starts)}, {self.say('between', starts=self.clock(starts), ends=until)}"

    def span_in(self, slot: Slot, zone: ZoneInfo) -> str:
        """The same, with the name of the time zone at that time."""
        name = get_timezone_name(slot.starts_at.astimezone(zone), "long", locale=self._locale)
        return f"{self.span(slot, zone)} ({name})"

    def day(self, at: datetime) -> str:
        return format_date(at.date(), "full", locale=self._locale)

    def clock(self, at: datetime) -> str:
        return _plain_spaces(format_time(at.timetz(), "short", locale=self._locale))

    def short(self, at: datetime, zone: ZoneInfo) -> str:
        """For subjects: `23 Nov 2026, 10:00`."""
        there = at.astimezone(zone)
        return f"{format_date(there.date(), 'medium', locale=self._locale)}, {self.clock(there)}"


def words_for(*wanted: str) -> Words:
    """Of the first of these locales whose language there is; `de-AT` is German, as written in Austria."""
    for code in wanted:
        if code.partition("-")[0].lower() in LANGUAGES:
            return Words(_locale(code))
    return Words(Locale(LANGUAGES[0]))


@cache
def texts_of(language: str) -> dict[str, str]:
    texts: dict[str, str] = json.loads((_FOLDER / f"{language}.json").read_text("utf-8"))
    return texts


def _locale(code: str) -> Locale:
    try:
        return Locale.parse(code, sep="-")
    except (UnknownLocaleError, ValueError):
        return Locale(code.partition("-")[0].lower())


def _plain_spaces(text: str) -> str:
    """Newer locales have a narrow one before `PM`, which some mail programs show as a box."""
    return text.replace("\u202f", " ").replace("\xa0", " ")
