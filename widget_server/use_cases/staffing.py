"""Who serves when: staff members with all their shifts and days off."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime

from widget_server.domain import changes
from widget_server.domain.audit_log import Deed, Entry
from widget_server.domain.impact import Chosen
from widget_server.domain.schedule import DayOff, Schedule, Shift, StaffMember
from widget_server.domain.sites import Site
from widget_server.errors import Changed, InvalidRequest, NotFound
from widget_server.use_cases.edits import Edited, Edits, by_shift, fingerprint, key_of_form
from widget_server.use_cases.services import free_key

MEMBERS_MAX = 500
SHIFTS_MAX = 500
DAYS_OFF_MAX = 366


class Staffing:
    def __init__(self, edits: Edits) -> None:
        self._edits = edits

    async def add(
        self,
        site: Site,
        wanted: StaffMember,
        shifts: Sequence[Shift],
        days_off: Sequence[date],
        *,
        operator_id: int,
        form_id: str = "",
    ) -> str:
        """A new staff member, and their key: the wanted one, with a number where somebody has that.

        The same form again: the same member. Raises InvalidRequest.
        """
        made, form_key = list[str](), key_of_form(form_id, wanted, list(shifts), list(days_off))

        def make(old: Schedule) -> Schedule:
            if len(old.staff) >= MEMBERS_MAX:
                raise InvalidRequest(f"A site can have up to {MEMBERS_MAX} staff members.", field="page")
            made.append(free_key(wanted.key, old.staff))
            return _with_member(old, replace(wanted, key=made[-1]), shifts, days_off)

        def log(at: datetime, old: Schedule, new: Schedule) -> Entry:
            detail = changes.of_member(old, new, made[-1])
            return Entry(site.id, operator_id, Deed.STAFF_ADDED, at, made[-1], detail, form_key)

        edited = await self._edits.save(site, make, log=log, services=())
        return edited.made or made[-1]

    async def change(
        self,
        site: Site,
        wanted: StaffMember,
        shifts: Sequence[Shift],
        days_off: Sequence[date],
        *,
        operator_id: int,
        services: Sequence[str],
        seen: str,
        choice: Chosen | None = None,
    ) -> Edited:
        """What a staff member is from now on, with all their shifts and days off.

        `services` are those by shift, `seen` the fingerprint of the member, both as they were shown. Raises Changed if
        one of them is another by now, InvalidRequest, NotFound.
        """

        def make(old: Schedule) -> Schedule:
            if wanted.key not in old.staff:
                raise NotFound("There is no such staff member.")
            if seen != fingerprint_of(old, wanted.key) or not by_shift(old) <= set(services):
                raise Changed("Somebody has changed this staff member meanwhile.")
            return _with_member(old, wanted, shifts, days_off)

        def log(at: datetime, old: Schedule, new: Schedule) -> Entry:
            detail = changes.of_member(old, new, wanted.key) or changes.UNCHANGED
            return Entry(site.id, operator_id, Deed.STAFF_CHANGED, at, wanted.key, detail)

        return await self._edits.save(site, make, log=log, services=services, choice=choice)


def fingerprint_of(schedule: Schedule, staff: str) -> str:
    """Of all that the form of a member shows and `change` replaces."""
    shifts = [shift for shift in schedule.shifts if shift.staff == staff]
    return fingerprint(schedule.staff[staff], shifts, [off for off in schedule.days_off if off.staff == staff])


def _with_member(old: Schedule, member: StaffMember, shifts: Sequence[Shift], days_off: Sequence[date]) -> Schedule:
    if len(shifts) > SHIFTS_MAX or len(days_off) > DAYS_OFF_MAX:
        raise InvalidRequest(f"Enter up to {SHIFTS_MAX} shifts and {DAYS_OFF_MAX} days off.", field="page")
    others = tuple(shift for shift in old.shifts if shift.staff != member.key)
    others_off = tuple(off for off in old.days_off if off.staff != member.key)
    return replace(
        old,
        staff=old.staff | {member.key: member},
        shifts=(*others, *(replace(shift, staff=member.key) for shift in shifts)),
        days_off=(*others_off, *(DayOff(member.key, day) for day in sorted(set(days_off)))),
    )
