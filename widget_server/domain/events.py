"""The only place for the updates of the feed: what changed, with absolute figures, so that any may be read twice."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from widget_server.clock import from_ms
from widget_server.domain.claims import ClaimMoved
from widget_server.domain.slots import Seats


class SeatsMoved(NamedTuple):
    """Seats of some slots of one site, as they are after the change."""

    site_key: str
    feed_id: str
    epoch: int
    seats: tuple[tuple[str, Seats], ...]
    """Slot id and its seats."""
    claims: tuple[ClaimMoved, ...] = ()
    """Who is taken or free since then, in the order of their diaries' changes. For the server's eyes only."""
    cause: str = ""
    """The verb: hold, renew, release, expire, pin, unpin, commit, set_booked, assign, mend."""
    holds_text: str = ""
    deadline_text: str = ""

    @property
    def hold_ids(self) -> tuple[str, ...]:
        """Whose change it was; several where they were taken, or expired, together. For the server's eyes only."""
        return tuple(self.holds_text.split(",")) if self.holds_text else ()

    @property
    def deadline(self) -> datetime | None:
        """When that hold ends or, pinned, must be resolved by."""
        return from_ms(int(self.deadline_text)) if self.deadline_text else None


@dataclass(frozen=True, slots=True)
class ScheduleMoved:
    """The gate was raised to `version` (`settled` false), or SQL has caught up with it (`settled` true)."""

    site_key: str
    feed_id: str
    epoch: int
    version: int
    settled: bool


@dataclass(frozen=True, slots=True)
class SiteReset:
    """The site was filled anew: whatever was known of its seats counts no more."""

    site_key: str
    feed_id: str
    epoch: int


Update = SeatsMoved | ScheduleMoved | SiteReset
