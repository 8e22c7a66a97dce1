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


def nearest_after(free: Iterable[Slot], to: Slot, *, many: int) -> tuple[Slot, ...]:
    """So many of these slots at most: the next ones after another, and where there are too few, the last before."""
    is_near = sorted(free, key=lambda slot: (slot.starts_at < to.starts_at, abs(slot.starts_at - to.starts_at)))
    return tuple(is_near[:many])


def combined(lines: Sequence[Sequence[Slot]]) -> list[tuple[Slot, ...]]:
    """What can be had for each line, put together to whole orders: the first of each, the second, and so on.

    Of a line that can be had as it was, there is one slot only. No order has a slot twice: of lines that would have the
    same, the later ones have what comes after it. Without any for a line there is none.
    """
    orders = (_order_from(lines, place) for place in range(OFFERED_MAX))
    return list(dict.fromkeys(order for order in orders if len(order) == len(lines)))


def _order_from(lines: Sequence[Sequence[Slot]], place: int) -> tuple[Slot, ...]:
    """Shorter than the lines where one of them has nothing that is left."""
    chosen: dict[Slot, None] = {}
    for slots in lines:
        still_free = [slot for slot in slots[min(place, len(slots) - 1) :] if slot not in chosen]
        chosen.update(dict.fromkeys(still_free[:1]))
    return tuple(chosen)
