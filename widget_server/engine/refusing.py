"""The only place where a script's "no" becomes a refusal."""

from collections.abc import Sequence

from widget_server.domain.holds import Line
from widget_server.engine.wire import Reply
from widget_server.errors import (
    Changed,
    HoldBudgetSpent,
    HoldEnded,
    IdConflict,
    Loading,
    NotYours,
    Paying,
    Refusal,
    SlotClosed,
    SlotFull,
    StaleSchedule,
)


def refusal(answer: list[Reply], lines: Sequence[Line]) -> Refusal | StaleSchedule:
    """What to raise for this answer to a call with these lines."""
    match answer:
        case ["FULL", int(number), int(left)]:
            return SlotFull(_full(left), slot=lines[number - 1].slot.id, left=left)
        case ["CLOSED", int(number)]:
            return SlotClosed("This time has passed.", slot=lines[number - 1].slot.id)
        case ["LIMIT", whose]:
            return HoldBudgetSpent("You are holding enough seats already.", whose=whose)
        case ["STALE_SCHEDULE", int(version)]:
            return StaleSchedule("The schedule has changed meanwhile.", version)
        case [str(code)] if code in _PLAIN:
            kind, message = _PLAIN[code]
            return kind(message)
    raise AssertionError(f"a script answered {answer!r}")


def _full(left: int) -> str:
    if left == 0:
        return "All seats are taken."
    return "Only one seat is left." if left == 1 else f"Only {left} seats are left."


_PLAIN: dict[str, tuple[type[Refusal], str]] = {
    "ID_CONFLICT": (IdConflict, "This id was used before, for something else."),
    "ENDED": (HoldEnded, "This hold has ended."),
    "NOT_YOURS": (NotYours, "This hold belongs to somebody else."),
    "PAYING": (Paying, "This hold is being paid."),
    "MOVED": (Changed, "This hold has changed meanwhile: read it again."),
    "LIMIT": (HoldBudgetSpent, "This hold was tried too often: choose your seats again."),
    "NOT_LOADED": (Loading, "The seats of this site are being counted; try again in a moment."),
}
