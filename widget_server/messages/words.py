"""The only place for the languages of messages: their sentences, and days and times as they write them."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time, get_timezone_gmt, get_timezone_name
from babel.lists import format_list
from babel.numbers import format_currency
from babel.units import format_unit

from widget_server.domain.money import Money, digits_of
from widget_server.domain.slots import Slot

_FOLDER = Path(__file__).parent / "texts"
LANGUAGES = ("en", "ar", "de", "es", "fr")
"""Each has a file of texts; the first is for those whose own is not among them."""
_DIGITS = {"arab": str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")}
"""Of regions that write others. Babel writes dates with those of Europe everywhere."""
_NEAR = timedelta(hours=2)
"""So near to a change of clocks it is said by which one a time is: an hour may come twice, or be skipped."""


class Words:
    """One language, as written in one country."""

    def __init__(self, locale: Locale) -> None:
        self._locale = locale
        self._texts = texts_of(locale.language)

    @property
    def code(self) -> str:
        return str(self._locale).replace("_", "-")

    @property
    def direction(self) -> str:
        return str(self._locale.text_direction)

    def say(self, key: str, **values: str) -> str:
        """The texts are ours, and so are the names in them; what is put in is never taken for a template."""
        return self._text(key).format_map({name: self.apart(value) for name, value in values.items()})

    def apart(self, value: str) -> str:
        """Among words from right to left, a name or a number keeps its own direction, and turns nothing around it.
        Not so a link: what finds links in a text would take the mark at its end for a part of it."""
        is_apart = self.direction == "rtl" and value and "://" not in value
        return f"\N{FIRST STRONG ISOLATE}{value}\N{POP DIRECTIONAL ISOLATE}" if is_apart else value

    def seats(self, count: int) -> str:
        forms = self._texts["seats"]
        assert isinstance(forms, dict)
        return forms[self._locale.plural_form(count)].format(count=self._in_digits(str(count)))

    def names(self, names: Sequence[str]) -> str:
        return format_list([self.apart(name) for name in names], locale=self._locale)

    def span(self, slot: Slot, zone: ZoneInfo) -> str:
        """`Monday, 23 November 2026, 10:00-11:00`, and the day of the end where it is another one."""
        starts, ends = slot.starts_at.astimezone(zone), slot.ends_at.astimezone(zone)
        is_near = _clocks_change(slot.starts_at, slot.ends_at, zone)
        begins = self.clock(starts, named=is_near and starts.utcoffset() != ends.utcoffset())
        until = self.clock(ends, named=is_near)
        until = until if starts.date() == ends.date() else self._on(self.day(ends), until)
        between = "{starts} \N{EN DASH} {ends}" if is_near else self._text("between")
        return self._on(self.day(starts), between.format(starts=begins, ends=until))

    def span_in(self, slot: Slot, zone: ZoneInfo) -> str:
        """The same, with the name of the time zone: of summer or winter where it is one of the two all the time."""
        is_near = _clocks_change(slot.starts_at, slot.ends_at, zone)
        at = slot.starts_at.astimezone(zone)
        name = get_timezone_name(at, "long", locale=self._locale, zone_variant="generic" if is_near else None)
        return f"{self.span(slot, zone)} ({name})"

    def length(self, slot: Slot) -> str:
        """`45 minutes`, `3 hours` or `1 hour and 30 minutes`."""
        minutes = (slot.ends_at - slot.starts_at) // timedelta(minutes=1)
        counts = {"day": minutes // 1440, "hour": minutes // 60 % 24, "minute": minutes % 60}
        parts = [format_unit(n, f"duration-{unit}", locale=self._locale) for unit, n in counts.items() if n]
        return self._in_digits(_plain_spaces(format_list(parts, locale=self._locale)))

    def day(self, at: datetime) -> str:
        return self._in_digits(format_date(at.date(), "full", locale=self._locale))

    def clock(self, at: datetime, *, named: bool = False) -> str:
        """`10:00`, and named `02:30 GMT+02:00`."""
        time = _plain_spaces(format_time(at.timetz(), "short", locale=self._locale))
        return self._in_digits(f"{time} {get_timezone_gmt(at, locale=self._locale)}" if named else time)

    def short(self, at: datetime, zone: ZoneInfo) -> str:
        """For subjects: `23 Nov 2026, 10:00`."""
        there = at.astimezone(zone)
        day = self._in_digits(format_date(there.date(), "medium", locale=self._locale))
        return self._on(day, self.clock(there, named=_clocks_change(at, at, zone)))

    def money(self, money: Money) -> str:
        amount = Decimal(money.amount_minor).scaleb(-digits_of(money.currency))
        return self._in_digits(_plain_spaces(format_currency(amount, money.currency, locale=self._locale)))

    def _on(self, day: str, time: str) -> str:
        return self._text("on").format(day=day, time=time)

    def _text(self, key: str) -> str:
        text = self._texts[key]
        assert isinstance(text, str), f"{key} is for counts"
        return text

    def _in_digits(self, text: str) -> str:
        return text.translate(_DIGITS.get(self._locale.default_numbering_system, {}))


def _clocks_change(starts_at: datetime, ends_at: datetime, zone: ZoneInfo) -> bool:
    """Between these two, or near them."""
    around = (starts_at.astimezone(UTC) - _NEAR, ends_at.astimezone(UTC) + _NEAR)
    before, after = (at.astimezone(zone).utcoffset() for at in around)
    return before != after


def words_for(*wanted: str) -> Words:
    """Of the first of these locales whose language there is; `de-AT` is German, as written in Austria."""
    for code in wanted:
        if code.partition("-")[0].lower() in LANGUAGES:
            return Words(_locale(code))
    return Words(Locale(LANGUAGES[0]))


@cache
def texts_of(language: str) -> dict[str, str | dict[str, str]]:
    """Sentences, and forms by plural category of what is counted."""
    texts: dict[str, str | dict[str, str]] = json.loads((_FOLDER / f"{language}.json").read_text("utf-8"))
    return texts


def _locale(code: str) -> Locale:
    try:
        return Locale.parse(code, sep="-")
    except (UnknownLocaleError, ValueError):
        return Locale(code.partition("-")[0].lower())


def _plain_spaces(text: str) -> str:
    """Newer locales have a narrow one before `PM`, which some mail programs show as a box."""
    return text.replace("\u202f", " ").replace("\xa0", " ")
