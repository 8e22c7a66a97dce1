"""The only place for what is offered to whoever has paid too late: other seats, held for them, to choose from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from widget_server.domain.slots import Slot

OFFERED_FOR = timedelta(hours=2)
"""Time to read a mail. Nobody else gets these seats meanwhile, and the money waits."""
OFFERED_MAX = 3
HELD_PER_SITE_MAX = 60
"""So many alternatives are held at a time; whoever else pays too late has their money back. A budget of their own: no
visitor and no network is hindered by them, and none can close a calendar with them.
"""


class AlternativeState(StrEnum):
    WANTED = "wanted"
    """Written down; nobody knows whether its seats can be had."""
    HELD = "held"
    GONE = "gone"
    TAKEN = "taken"


STANDING = (AlternativeState.WANTED, AlternativeState.HELD)


@dataclass(frozen=True, slots=True)
class Alternative:
    hold_id: str
    """Each is held under an id of its own."""
    slots: tuple[Slot, ...]
    """One for each line of the order, in their order."""
    is_same: bool
    """The very seats that were paid for: where they can be had, nobody is asked."""
    state: AlternativeState = AlternativeState.WANTED
    fence: int = 0


def nearest_after(free: Iterable[Slot], to: Slot) -> tuple[Slot, ...]:
    """Up to OFFERED_MAX of these slots: the next ones after another, and where there are too few, the last before."""
    is_near = sorted(free, key=lambda slot: (slot.starts_at < to.starts_at, abs(slot.starts_at - to.starts_at)))
    return tuple(is_near[:OFFERED_MAX])


def combined(lines: Sequence[Sequence[Slot]]) -> list[tuple[Slot, ...]]:
    """What can be had for each line, put together to whole orders: the first of each, the second, and so on.

    Of a line that can be had as it was, there is one slot only. No order has a slot twice; without any for a line there
    is none.
    """
    if not all(lines):
        return []
    orders = (tuple(slots[min(place, len(slots) - 1)] for slots in lines) for place in range(OFFERED_MAX))
    return [order for order in dict.fromkeys(orders) if len(set(order)) == len(order)]
