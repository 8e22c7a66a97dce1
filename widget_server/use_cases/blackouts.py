"""When nothing can be booked: making, changing and taking away blackouts."""

from dataclasses import replace
from datetime import datetime

from widget_server.domain import changes
from widget_server.domain.audit_log import Deed, Entry
from widget_server.domain.blackouts import Blackout
from widget_server.domain.impact import Chosen
from widget_server.domain.schedule import Schedule
from widget_server.domain.sites import Site
from widget_server.errors import Changed, InvalidRequest, NotFound
from widget_server.use_cases.edits import Edited, Edits, by_shift, fingerprint, key_of_form

BLACKOUTS_MAX = 500


class Blackouts:
    def __init__(self, edits: Edits) -> None:
        self._edits = edits

    async def save(
        self,
        site: Site,
        wanted: Blackout,
        *,
        operator_id: int,
        shown: Schedule,
        form_id: str = "",
        seen: str = "",
        choice: Chosen | None = None,
    ) -> Edited:
        """A new blackout, or what the one of this id is from now on. The same form again: nothing more happens.

        `shown` is the schedule its form was read against, `seen` the fingerprint of the blackout that was changed.
        Raises Changed if that is another by now, InvalidRequest, NotFound.
        """
        touched, form_key = services_of(shown, wanted), key_of_form(form_id, wanted)

        def make(old: Schedule) -> Schedule:
            if not services_of(old, wanted) <= touched:
                raise Changed("Somebody has changed the services meanwhile.")
            if wanted.id is None:
                return _with_another(old, wanted)
            present = find(old, wanted.id)
            if seen != fingerprint(present):
                raise Changed("Somebody has changed this blackout meanwhile.")
            return replace(old, blackouts=tuple(wanted if one.id == wanted.id else one for one in old.blackouts))

        def log(at: datetime, old: Schedule, _: Schedule) -> Entry:
            deed = Deed.BLACKOUT_ADDED if wanted.id is None else Deed.BLACKOUT_CHANGED
            before = None if wanted.id is None else find(old, wanted.id)
            about, detail = str(wanted.id or ""), changes.of_blackout(old, before, wanted)
            return Entry(site.id, operator_id, deed, at, about, detail, form_key if wanted.id is None else None)

        return await self._edits.save(site, make, log=log, services=touched, choice=choice)

    async def remove(self, site: Site, blackout_id: int, *, operator_id: int) -> None:
        """Again: NotFound, and nothing more happens."""

        def make(old: Schedule) -> Schedule:
            find(old, blackout_id)
            return replace(old, blackouts=tuple(one for one in old.blackouts if one.id != blackout_id))

        def log(at: datetime, old: Schedule, _: Schedule) -> Entry:
            detail = changes.of_blackout(old, None, find(old, blackout_id))
            return Entry(site.id, operator_id, Deed.BLACKOUT_REMOVED, at, str(blackout_id), detail)

        await self._edits.save(site, make, log=log, services=())


def find(schedule: Schedule, blackout_id: int) -> Blackout:
    """Raises NotFound."""
    for blackout in schedule.blackouts:
        if blackout.id == blackout_id:
            return blackout
    raise NotFound("There is no such blackout.")


def services_of(schedule: Schedule, blackout: Blackout) -> set[str]:
    """The services of which it may touch slots."""
    if blackout.service is not None:
        return {blackout.service}
    return by_shift(schedule) if blackout.staff is not None else set(schedule.services)


def _with_another(old: Schedule, wanted: Blackout) -> Schedule:
    """Two that are alike say no more than one: somebody else may have added it meanwhile."""
    if any(replace(one, id=None) == wanted for one in old.blackouts):
        return old
    if len(old.blackouts) >= BLACKOUTS_MAX:
        raise InvalidRequest(f"A site can have up to {BLACKOUTS_MAX} blackouts: take old ones away.", field="page")
    return replace(old, blackouts=(*old.blackouts, wanted))
