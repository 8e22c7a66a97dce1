"""The calendar of a service: all its openings, and what is said of single slots, saved at once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from widget_server.domain import changes
from widget_server.domain.audit_log import Deed, Entry
from widget_server.domain.impact import Chosen
from widget_server.domain.schedule import Opening, Schedule, SlotRule
from widget_server.domain.sites import Site
from widget_server.errors import Changed, InvalidRequest, NotFound
from widget_server.use_cases.edits import Edited, Edits, fingerprint

OPENINGS_MAX = 5_000


class Calendar:
    def __init__(self, edits: Edits) -> None:
        self._edits = edits

    async def update(
        self,
        site: Site,
        service: str,
        openings: Sequence[Opening],
        rules: Sequence[SlotRule],
        *,
        operator_id: int,
        seen: str,
        choice: Chosen | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> Edited:
        """These openings in place of all that the service had, and these rules in place of those of their slots.

        A slot with seats taken is not moved. Where it would be closed, or a new one would overlap it, that is told, and
        nothing is saved unless there is a choice: as long as it is kept, the new one is left out. `seen` is the
        fingerprint of the calendar that was shown: raises Changed if it is another by now. `detail` is for the audit
        log. Raises InvalidRequest, NotFound.
        """
        if len(openings) > OPENINGS_MAX:
            raise InvalidRequest(f"A service can have up to {OPENINGS_MAX} times.", field="page")

        def make(old: Schedule) -> Schedule:
            if service not in old.services:
                raise NotFound("There is no such service.")
            if seen != fingerprint_of(old, service):
                raise Changed("Somebody has changed this calendar meanwhile.")
            others = tuple(opening for opening in old.openings if opening.service != service)
            said = {rule.slot: rule for rule in old.slot_rules}
            said |= {rule.slot: replace(rule, is_kept=old.rule_of(rule.slot).is_kept) for rule in rules}
            silent = [slot for slot, rule in said.items() if rule == SlotRule(slot)]
            kept = tuple(rule for slot, rule in said.items() if slot not in silent)
            return replace(old, openings=(*others, *openings), slot_rules=kept)

        def log(at: datetime, old: Schedule, new: Schedule) -> Entry:
            told = (changes.of_calendar(old, new, service) or changes.UNCHANGED) | dict(detail or {})
            return Entry(site.id, operator_id, Deed.CALENDAR_CHANGED, at, service, told)

        touched = [service]
        return await self._edits.save(site, make, log=log, services=touched, choice=choice, may_close_silently=False)


def fingerprint_of(schedule: Schedule, service: str) -> str:
    """Of all that a calendar shows and `update` replaces."""
    openings = [opening for opening in schedule.openings if opening.service == service]
    rules = sorted(
        (rule for rule in schedule.slot_rules if rule.slot.service == service), key=lambda rule: rule.slot.id
    )
    of_all = schedule.services[service]
    return fingerprint(
        openings, rules, of_all.length_min, of_all.capacity, of_all.capacity_rule.value, schedule.zone.key
    )
