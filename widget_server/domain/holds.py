"""The only place for what a hold is."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from widget_server.domain.slots import Slot


class HoldState(StrEnum):
    HELD = "held"
    PAYING = "paying"
    RELEASED = "released"
    EXPIRED = "expired"
    CONFIRMED = "confirmed"


@dataclass(frozen=True, slots=True)
class Line:
    slot: Slot
    seats: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Seats set aside for one visitor until `expires_at`. All instants are Redis's; `now` is when it was asked."""

    id: str
    state: HoldState
    lines: tuple[Line, ...]
    expires_at: datetime
    limit_at: datetime
    """It can be renewed up to here, not beyond."""
    version: int
    now: datetime
