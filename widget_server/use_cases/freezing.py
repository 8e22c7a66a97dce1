"""One slot closed to everybody new, or opened again, by the rule that the calendar calls closed."""

from dataclasses import replace
from datetime import datetime

from widget_server.clock import Clock
from widget_server.domain.audit_log import Deed, Entry
from widget_server.domain.schedule import Schedule
from widget_server.domain.sites import Site
from widget_server.domain.slots import Slot
from widget_server.errors import NotFound, TooLate
from widget_server.use_cases.edits import Edits


class Freezing:
    def __init__(self, edits: Edits, clock: Clock) -> None:
        self._edits = edits
        self._clock = clock

    async def freeze(self, site: Site, shown: Schedule, slot: Slot, *, is_frozen: bool, operator_id: int) -> None:
        """From now on nobody can hold this slot, or anybody again; who has seats of it keeps them, held or booked.

        Where it is so already, nothing happens. Raises NotFound for a slot that is not offered, TooLate once it has
        begun, and as `Edits.save`.
        """
        if slot.starts_at <= self._clock.now():
            raise TooLate("This time has begun: nobody can book it any more.")
        was_frozen = shown.rule_of(slot).is_closed
        if not was_frozen and shown.find(slot) is None:
            raise NotFound("This time is not offered any more.")
        if was_frozen == is_frozen:
            return

        def make(old: Schedule) -> Schedule:
            if is_frozen and old.find(slot) is None:
                raise NotFound("This time is not offered any more.")
            others = tuple(rule for rule in old.slot_rules if rule.slot != slot)
            return replace(old, slot_rules=(*others, replace(old.rule_of(slot), is_closed=is_frozen)))

        def log(at: datetime, *_: Schedule) -> Entry:
            deed = Deed.SLOT_FROZEN if is_frozen else Deed.SLOT_UNFROZEN
            return Entry(site.id, operator_id, deed, at, slot.id, {"slot": slot.id})

        await self._edits.save(site, make, log=log, services=[slot.service])
