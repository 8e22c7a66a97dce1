"""Looking through what operators have done."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from widget_server.domain.audit_log import Deed, KeptEntry
from widget_server.domain.sites import Site
from widget_server.store.audit_log import AuditLog as StoredAuditLog

PAGE_ENTRIES = 50


@dataclass(frozen=True, slots=True)
class Entries:
    entries: Sequence[KeptEntry]
    has_older: bool


class AuditLog:
    def __init__(self, audit_log: StoredAuditLog) -> None:
        self._audit_log = audit_log

    async def read(
        self, site: Site, *, deed: Deed | None, since: datetime | None, until: datetime | None, before: int | None
    ) -> Entries:
        """A page of them, the newest first; `before` an entry's id, those that are older. Raises Unavailable."""
        found = await self._audit_log.entries(
            site.id, limit=PAGE_ENTRIES + 1, deed=deed, since=since, until=until, before=before
        )
        return Entries(found[:PAGE_ENTRIES], len(found) > PAGE_ENTRIES)
