"""The only place that says what it means to ask a customer for another time, and which times to offer instead."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from widget_server.domain.slots import Slot

MESSAGE_LETTERS_MAX = 1_000
ALTERNATIVES_MAX = 3


class MoveState(StrEnum):
    WAITING = "waiting"
    """For the customer. The booking stands until they choose."""
    MOVED = "moved"
    WITHDRAWN = "withdrawn"
    """By an operator: the booking stays as it is."""
    CANCELLED = "cancelled"
    """Together with the booking, by whomever."""


@dataclass(frozen=True, slots=True)
class MoveRequest:
    state: MoveState
    message: str
    """Of the operator to the customer; may be empty."""
    asked_by: str
    """The address with which the operator signs in."""
    asked_at: datetime
    ended_at: datetime | None = None

    @property
    def is_waiting(self) -> bool:
        return self.state is MoveState.WAITING


def nearest(free: Iterable[Slot], to: Slot) -> tuple[Slot, ...]:
    """Up to ALTERNATIVES_MAX of these slots: those that start nearest to another one, by their start."""
    by_distance = sorted(free, key=lambda slot: (abs(slot.starts_at - to.starts_at), slot.starts_at))
    return tuple(sorted(by_distance[:ALTERNATIVES_MAX], key=lambda slot: slot.starts_at))
