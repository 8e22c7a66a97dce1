"""The only place that writes what differs between two schedules of a site."""

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.schedule import Schedule, SlotRule
from widget_server.store.blackouts import put_blackout, remove_blackout
from widget_server.store.schedule import put_openings, put_service
from widget_server.store.slot_rules import put_slot_rules
from widget_server.store.staff import put_days_off, put_member, put_shifts


async def put_difference(session: AsyncSession, site_id: int, old: Schedule, new: Schedule, *, at: datetime) -> None:
    """Services and staff can be added and changed; openings, shifts, days off, blackouts and rules can go, too."""
    await put_slot_rules(session, site_id, _changed_rules(old, new))
    for key, service in new.services.items():
        if old.services.get(key) != service:
            await put_service(session, site_id, service, at=at)
        openings = [opening for opening in new.openings if opening.service == key]
        if openings != [opening for opening in old.openings if opening.service == key]:
            await put_openings(session, site_id, key, openings)
    await _put_staff(session, site_id, old, new)
    await _put_blackouts(session, site_id, old, new)


async def _put_staff(session: AsyncSession, site_id: int, old: Schedule, new: Schedule) -> None:
    for key, member in new.staff.items():
        if old.staff.get(key) != member:
            await put_member(session, site_id, member)
        shifts = [shift for shift in new.shifts if shift.staff == key]
        if shifts != [shift for shift in old.shifts if shift.staff == key]:
            await put_shifts(session, site_id, key, shifts)
        days_off = {off.day for off in new.days_off if off.staff == key}
        if days_off != {off.day for off in old.days_off if off.staff == key}:
            await put_days_off(session, site_id, key, days_off)


async def _put_blackouts(session: AsyncSession, site_id: int, old: Schedule, new: Schedule) -> None:
    stay = {blackout.id for blackout in new.blackouts}
    for blackout in old.blackouts:
        if blackout.id is not None and blackout.id not in stay:
            await remove_blackout(session, site_id, blackout.id)
    for blackout in new.blackouts:
        if blackout not in old.blackouts:
            await put_blackout(session, site_id, blackout)


def _changed_rules(old: Schedule, new: Schedule) -> list[SlotRule]:
    before, after = ({rule.slot: rule for rule in schedule.slot_rules} for schedule in (old, new))
    gone = [SlotRule(slot) for slot in before if slot not in after]
    return gone + [rule for slot, rule in after.items() if before.get(slot) != rule]
