"""The part of the reservation engine that reads what is taken: days of seats, and diaries of those who serve them."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from widget_server.domain.claims import Diary
from widget_server.domain.sites import Site
from widget_server.domain.slots import Seats
from widget_server.engine import kept, keys
from widget_server.engine.connection import Connection
from widget_server.engine.wire import Reply, Word
from widget_server.errors import Loading

DAYS_MAX = 33
READ_AT_ONCE = 1_000
"""So many days and diaries are read by one pipeline: a month of thirty people."""
DayKey = tuple[str, date]
"""A service and a day of UTC."""
DiaryKey = tuple[str, date]
"""Somebody, or something, and a day of UTC."""


class Reading(NamedTuple):
    """The seats of some days, at least as new as the entry `feed_id` of the feed."""

    feed_id: str
    schedule_version: int
    """The gate's: an older schedule offers what may not be held any more."""
    epoch: int
    seats: dict[str, Seats]
    """By slot id; only slots that somebody touched."""


class SeatReading:
    _connection: Connection

    async def seats_of_days(self, site: Site, service: str, days: Sequence[date]) -> Reading:
        """The seats of all slots of a service that start on these days of UTC, at most 33. Raises Loading.

        The feed's last id is read first: what happens meanwhile may be told twice, and is never missed.
        """
        assert len(days) <= DAYS_MAX, "a month at once"
        of_site = keys.of_site(site.partition, site.key)
        last, gate, *fields = await self._connection.read(
            ("XREVRANGE", of_site.partition.feed, "+", "-", "COUNT", 1),
            ("HMGET", of_site.gate, *kept.GATE_FIELDS),
            *(("HGETALL", of_site.day(service, day)) for day in days),
        )
        seats: dict[str, Seats] = {}
        for day, counted in zip(days, fields, strict=True):
            seats.update(kept.seats_of_day(keys.slot_id(service, day, ""), counted))
        return _reading(last, gate, seats)

    async def days_and_diaries(
        self, site: Site, days: Sequence[DayKey], diaries: Sequence[DiaryKey]
    ) -> tuple[Reading, dict[DiaryKey, Diary]]:
        """The seats of services' days of UTC, and the diaries of those who serve them. Raises Loading.

        As with `seats_of_days`, what happens meanwhile may be told twice: a diary counts its changes.
        """
        of_site = keys.of_site(site.partition, site.key)
        commands: list[Sequence[Word]] = [
            ("XREVRANGE", of_site.partition.feed, "+", "-", "COUNT", 1),
            ("HMGET", of_site.gate, *kept.GATE_FIELDS),
            *(("HGETALL", of_site.day(service, day)) for service, day in days),
            *(("ZRANGE", of_site.diary(claimed, day), 0, -1, "WITHSCORES") for claimed, day in diaries),
        ]
        answers: list[Reply] = []
        for at in range(0, len(commands), READ_AT_ONCE):
            answers += await self._connection.read(*commands[at : at + READ_AT_ONCE])
        (last, gate), read = answers[:2], answers[2:]
        seats: dict[str, Seats] = {}
        for (service, day), counted in zip(days, read[: len(days)], strict=True):
            seats.update(kept.seats_of_day(keys.slot_id(service, day, ""), counted))
        found = zip(diaries, read[len(days) :], strict=True)
        return _reading(last, gate, seats), {key: kept.diary(members) for key, members in found if members}


def _reading(last: Reply, gate: Reply, seats: dict[str, Seats]) -> Reading:
    epoch, state, schedule_version = gate
    if state != "OPEN":
        raise Loading("The seats of this site are being counted; try again in a moment.")
    return Reading(last[0][0] if last else "0-0", int(schedule_version), int(epoch), seats)
