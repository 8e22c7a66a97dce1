"""The only place for what a site is: one tenant and its settings."""

from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

HOLD_MINUTES_MIN, HOLD_MINUTES_MAX = 1, 60
DEFAULT_PARTITION = "tenuto"


@dataclass(frozen=True, slots=True)
class Site:
    id: int
    key: str
    name: str
    zone: ZoneInfo
    currency: str
    locale: str
    accent: str
    theme: str
    holds_on: bool
    hold_minutes: int
    origins: tuple[str, ...]
    partition: str
    epoch: int
    """Which filling of Redis this site is in; every rebuild raises it."""
    schedule_version: int

    @property
    def hold_length(self) -> timedelta:
        return timedelta(minutes=self.hold_minutes)
