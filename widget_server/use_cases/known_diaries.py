"""The only place that keeps diaries in memory: who of one site is taken when, kept true by the updates of the feed."""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from itertools import count

from widget_server.domain.claims import NO_CLAIMS, ClaimMoved, Diary

DAYS_MAX = 128
"""Days of UTC whose diaries a site keeps; those longest unread are forgotten first."""

DiaryKey = tuple[str, date]
"""Somebody's name and a day of UTC."""

_stamps = count()


class DiaryDay(dict[str, Diary]):
    """Diaries of one day by name. Who is not in it, but known, has had no claim yet."""

    __slots__ = ("known", "stamp", "told")

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.told: dict[str, list[ClaimMoved]] = {}
        """Changes that came while a diary was being read."""
        self.stamp = next(_stamps)
        """Another one, of all there are, after each change."""


class KnownDiaries:
    """A diary counts its changes, so it does not matter whether a read or an update brings one first."""

    def __init__(self) -> None:
        self._days: OrderedDict[date, DiaryDay] = OrderedDict()
        self.generation = next(_stamps)
        """Another one as soon as something known is forgotten."""

    @property
    def days(self) -> Mapping[date, DiaryDay]:
        return self._days

    def begin_anew(self) -> None:
        self._days.clear()
        self.generation = next(_stamps)

    def apply(self, moves: Iterable[ClaimMoved]) -> None:
        for moved in moves:
            day = self._days.get(moved.day)
            if day is None:
                continue
            if moved.claimed in day.known:
                day[moved.claimed] = day.get(moved.claimed, NO_CLAIMS).after(moved)
                day.stamp = next(_stamps)
            elif moved.claimed in day.told:
                day.told[moved.claimed].append(moved)

    def expect(self, wanted: Mapping[date, Collection[str]]) -> list[DiaryKey]:
        """Which of these must be read. Changes that come while they are being read are kept for `take_in`."""
        missing = []
        for on, names in wanted.items():
            day = self._days.setdefault(on, DiaryDay())
            self._days.move_to_end(on)
            for name in names:
                if name not in day.known:
                    missing.append((name, on))
                    day.told.setdefault(name, [])
        while len(self._days) > max(DAYS_MAX, len(wanted)):
            self._days.popitem(last=False)
            self.generation = next(_stamps)
        return missing

    def take_in(self, expected: Iterable[DiaryKey], read: Mapping[DiaryKey, Diary]) -> None:
        """What was read of the expected ones. A day forgotten meanwhile stays forgotten."""
        for name, on in expected:
            day = self._days.get(on)
            if day is None or name not in day.told:
                continue
            diary = read.get((name, on), NO_CLAIMS)
            for moved in day.told.pop(name):
                diary = diary.after(moved)
            if diary.count:
                day[name] = diary
            day.known.add(name)
            day.stamp = next(_stamps)

    def expect_no_more(self, expected: Iterable[DiaryKey]) -> None:
        """Nothing came of reading them, if they are not known by now."""
        for name, on in expected:
            if (day := self._days.get(on)) is not None:
                day.told.pop(name, None)

    def knows(self, wanted: Mapping[date, Collection[str]]) -> bool:
        return all((day := self._days.get(on)) is not None and day.known.issuperset(wanted[on]) for on in wanted)
