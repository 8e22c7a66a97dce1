"""Updates as the feed tells them, and what a widget makes of the bytes it reads."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from widget_server.domain.events import SeatsMoved
from widget_server.domain.slots import Seats

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


class StoppedClock:
    def now(self) -> datetime:
        return NOW


def slot_id(number: int) -> str:
    return f"yoga.20261121T{number // 60 % 24:02}{number % 60:02}Z.{60 + number // 1440}"


def seats_moved(
    number: int, *slots: int, site: str = "studio", epoch: int = 1, version: int | None = None
) -> SeatsMoved:
    """The update with the feed id `<number>-0`: every slot named has its number as version and one seat held."""
    seats = Seats(held=1, booked=2, version=number if version is None else version)
    states = tuple((slot_id(slot), seats) for slot in slots or (0,))
    return SeatsMoved(site, f"{number}-0", epoch, states, cause="hold", holds_text="secret-hold-id")


@dataclass(frozen=True, slots=True)
class Event:
    name: str
    id: str | None
    data: dict[str, Any]


def events(chunks: bytes) -> list[Event]:
    """The events of a stream as an EventSource reads them; comments and `retry` are left out."""
    read = []
    for block in chunks.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if "event" in fields:
            read.append(Event(fields["event"], fields.get("id"), json.loads(fields["data"])))
    return read


def versions(chunks: bytes) -> dict[str, int]:
    """Slot -> newest version, as a widget knows it; it refuses to go back."""
    known: dict[str, int] = {}
    for event in events(chunks):
        for slot in event.data["slots"] if event.name == "seats" else ():
            assert slot["version"] >= known.get(slot["slot"], 0), "a widget's seats never go backwards"
            known[slot["slot"]] = slot["version"]
    return known
