"""The only place for what a hold is."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from widget_server.domain.slots import Slot


class HoldState(StrEnum):
    HELD = "held"
    PAYING = "paying"
    RELEASED = "released"
    EXPIRED = "expired"
    CONFIRMED = "confirmed"


class Line(NamedTuple):
    slot: Slot
    seats: int


class Hold(NamedTuple):
    """Seats set aside for one visitor until `expires_at`. All instants are Redis's; `now` is when it was asked."""

    id: str
    state: HoldState
    lines: tuple[Line, ...]
    expires_at: datetime
    limit_at: datetime
    """It can be renewed up to here, not beyond."""
    version: int
    now: datetime
