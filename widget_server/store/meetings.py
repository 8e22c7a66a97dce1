"""The only place that changes how many seats of a meeting are booked. The last wall: never beyond the capacity."""

from collections.abc import Sequence

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.slots import OfferedSlot
from widget_server.errors import SlotFull
from widget_server.store.database import insert
from widget_server.store.tables import MeetingRow, values


async def find_or_make(session: AsyncSession, site_id: int, offered: Sequence[OfferedSlot]) -> dict[str, int]:
    """The id of each slot's meeting, in the order of the ids.

    Everybody makes meetings by slot and changes them by id, so nobody waits in a circle.
    """
    by_slot = {each.slot.id: each for each in offered}
    missing = [values(_new_meeting(site_id, by_slot[slot])) for slot in sorted(by_slot)]
    await session.exec(
        insert(session, MeetingRow).values(missing).on_conflict_do_nothing(index_elements=["site_id", "slot"])
    )
    of_slots = (
        select(MeetingRow.slot, MeetingRow.id)
        .where(col(MeetingRow.site_id) == site_id, col(MeetingRow.slot).in_(by_slot))
        .order_by(col(MeetingRow.id))
    )
    return {slot: meeting_id for slot, meeting_id in await session.exec(of_slots) if meeting_id is not None}


async def take_seats(session: AsyncSession, meeting_id: int, offered: OfferedSlot, seats: int) -> None:
    """Up to the capacity that the slot has now: `offered` is of the very version of the schedule that is locked.

    The meeting gets that capacity too, so it may grow with its slot, or with the people who serve it. It keeps a larger
    one for as long as it is fuller than that, and takes nobody else then. Raises SlotFull.
    """
    booked = col(MeetingRow.booked)
    taken = await session.exec(
        update(MeetingRow)
        .where(col(MeetingRow.id) == meeting_id)
        .where(booked + seats <= offered.capacity)
        .values(booked=booked + seats, capacity=offered.capacity, version=col(MeetingRow.version) + 1)
    )
    if taken.rowcount == 0:
        now_booked = (await session.exec(select(MeetingRow.booked).where(col(MeetingRow.id) == meeting_id))).one()
        left = max(0, offered.capacity - now_booked)
        raise SlotFull("There are not enough seats left.", slot=offered.slot.id, left=left)


async def give_seats_back(session: AsyncSession, meeting_id: int, seats: int) -> None:
    await session.exec(
        update(MeetingRow)
        .where(col(MeetingRow.id) == meeting_id)
        .values(booked=col(MeetingRow.booked) - seats, version=col(MeetingRow.version) + 1)
    )


def _new_meeting(site_id: int, offered: OfferedSlot) -> MeetingRow:
    slot = offered.slot
    return MeetingRow(
        site_id=site_id,
        slot=slot.id,
        service=slot.service,
        starts_at=slot.starts_at,
        capacity=offered.capacity,
        booked=0,
        version=0,
    )
