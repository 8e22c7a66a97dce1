"""The only place that changes how many seats of a meeting are booked. The last wall: never beyond the capacity."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.slots import OfferedSlot
from widget_server.errors import SlotFull
from widget_server.store.database import insert_by
from widget_server.store.tables import MeetingRow

# Part of every confirmation, so they are made once: making one takes longer than running it.
_MAKE = insert_by(MeetingRow, lambda new: new.on_conflict_do_nothing(index_elements=["site_id", "slot"]))
_OF_SLOTS = (
    select(MeetingRow.slot, MeetingRow.id)
    .where(col(MeetingRow.site_id) == bindparam("site_id"))
    .where(col(MeetingRow.slot).in_(bindparam("slots", expanding=True)))
    .order_by(col(MeetingRow.id))
)
_its_table: Any = MeetingRow.__table__  # type: ignore[attr-defined]
_of_meeting = update(_its_table).where(_its_table.c.id == bindparam("meeting_id"))
_TAKE = _of_meeting.where(_its_table.c.booked + bindparam("seats") <= bindparam("at_most")).values(
    booked=_its_table.c.booked + bindparam("seats"),
    capacity=bindparam("at_most"),
    version=_its_table.c.version + 1,
)
_GIVE_BACK = _of_meeting.values(booked=_its_table.c.booked - bindparam("seats"), version=_its_table.c.version + 1)


async def find_or_make(session: AsyncSession, site_id: int, offered: Sequence[OfferedSlot]) -> dict[str, int]:
    """The id of each slot's meeting, in the order of the ids.

    Everybody makes meetings by slot and changes them by id, so nobody waits in a circle.
    """
    by_slot = {each.slot.id: each for each in offered}
    missing = [_new_meeting(site_id, by_slot[slot]) for slot in sorted(by_slot)]
    await session.exec(_MAKE(session), params=missing)
    found = await session.exec(_OF_SLOTS, params={"site_id": site_id, "slots": list(by_slot)})
    return {slot: meeting_id for slot, meeting_id in found if meeting_id is not None}


async def take_seats(session: AsyncSession, meeting_id: int, offered: OfferedSlot, seats: int) -> None:
    """Up to the capacity that the slot has now: `offered` is of the very version of the schedule that is locked.

    The meeting gets that capacity too, so it may grow with its slot, or with the people who serve it. It keeps a larger
    one for as long as it is fuller than that, and takes nobody else then. Raises SlotFull.
    """
    of_meeting = {"meeting_id": meeting_id, "seats": seats, "at_most": offered.capacity}
    if (await session.exec(_TAKE, params=of_meeting)).rowcount == 0:
        now_booked = (await session.exec(select(MeetingRow.booked).where(col(MeetingRow.id) == meeting_id))).one()
        left = max(0, offered.capacity - now_booked)
        raise SlotFull("There are not enough seats left.", slot=offered.slot.id, left=left)


async def give_seats_back(session: AsyncSession, meeting_id: int, seats: int) -> None:
    await session.exec(_GIVE_BACK, params={"meeting_id": meeting_id, "seats": seats})


def _new_meeting(site_id: int, offered: OfferedSlot) -> dict[str, Any]:
    slot = offered.slot
    return {
        "site_id": site_id,
        "slot": slot.id,
        "service": slot.service,
        "starts_at": slot.starts_at,
        "capacity": offered.capacity,
        "booked": 0,
        "version": 0,
    }
