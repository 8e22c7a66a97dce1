"""What a site offers: making a service, and changing everything about one."""

import re
import unicodedata
from collections.abc import Container
from dataclasses import replace
from datetime import datetime

from widget_server.domain import changes
from widget_server.domain.audit_log import Deed, Entry
from widget_server.domain.impact import Chosen
from widget_server.domain.schedule import CapacityRule, Schedule, Service
from widget_server.domain.sites import Site
from widget_server.errors import Changed, InvalidRequest, NotFound
from widget_server.use_cases.edits import Edited, Edits, fingerprint, key_of_form

SERVICES_MAX = 200
_KEY_LENGTH_MAX = 48


class Services:
    def __init__(self, edits: Edits) -> None:
        self._edits = edits

    async def add(self, site: Site, wanted: Service, *, operator_id: int, form_id: str = "") -> str:
        """A new service, and its key: the wanted one, with a number where somebody has that.

        The same form again: the same service. Raises InvalidRequest.
        """
        made, form_key = list[str](), key_of_form(form_id, wanted)

        def make(old: Schedule) -> Schedule:
            if len(old.services) >= SERVICES_MAX:
                raise InvalidRequest(f"A site can have up to {SERVICES_MAX} services.", field="page")
            made.append(free_key(wanted.key, old.services))
            must_be_served(old, replace(wanted, key=made[-1]))
            return replace(old, services=old.services | {made[-1]: replace(wanted, key=made[-1])})

        def log(at: datetime, *_: Schedule) -> Entry:
            detail = changes.of_new_service(wanted)
            return Entry(site.id, operator_id, Deed.SERVICE_ADDED, at, made[-1], detail, form_key)

        edited = await self._edits.save(site, make, log=log, services=())
        return edited.made or made[-1]

    async def change(
        self,
        site: Site,
        wanted: Service,
        *,
        operator_id: int,
        seen: str,
        choice: Chosen | None = None,
    ) -> Edited:
        """What a service is from now on. `seen` is the fingerprint of what it was when its form was shown.

        Raises Changed if it is another by now, InvalidRequest with `field`, NotFound.
        """

        def make(old: Schedule) -> Schedule:
            if wanted.key not in old.services:
                raise NotFound("There is no such service.")
            if seen != fingerprint(old.services[wanted.key]):
                raise Changed("Somebody has changed this service meanwhile.")
            must_be_served(old, wanted)
            return replace(old, services=old.services | {wanted.key: wanted})

        def log(at: datetime, old: Schedule, new: Schedule) -> Entry:
            detail = changes.of_service(old.services[wanted.key], new.services[wanted.key]) or changes.UNCHANGED
            return Entry(site.id, operator_id, Deed.SERVICE_CHANGED, at, wanted.key, detail)

        return await self._edits.save(site, make, log=log, services=[wanted.key], choice=choice)


def must_be_served(schedule: Schedule, service: Service) -> None:
    """By shift somebody has to serve it, or nobody could book it. Raises InvalidRequest with `field`."""
    before = schedule.services.get(service.key)
    if service.capacity_rule is not CapacityRule.BY_SHIFT or (
        before is not None and before.capacity_rule is CapacityRule.BY_SHIFT
    ):
        return
    serving = [member for member in schedule.staff.values() if member.is_active and service.key in member.services]
    if not serving:
        why = "Nobody serves this service yet: first add somebody under Staff who does, and give them shifts."
        raise InvalidRequest(why, field="capacity_rule")
    if not any(shift.staff == member.key for member in serving for shift in schedule.shifts):
        why = "Nobody who serves this service has a shift yet: first enter when they work, under Staff."
        raise InvalidRequest(why, field="capacity_rule")


def free_key(wanted: str, used: Container[str]) -> str:
    """The wanted key, or the first with a number behind it that nobody has."""
    key, number = wanted, 1
    while key in used:
        number += 1
        key = f"{wanted}-{number}"
    return key


def key_of(name: str, otherwise: str) -> str:
    """What stands in snippets and addresses for something of this name: `Café am Eck` is `cafe-am-eck`."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_KEY_LENGTH_MAX].strip("-") or otherwise
