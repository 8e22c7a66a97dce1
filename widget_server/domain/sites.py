"""The only place for what a site is: one tenant and its settings."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

HOLD_MINUTES_MIN, HOLD_MINUTES_MAX = 1, 60
RECEIPT_SELLER_LENGTH_MAX, RECEIPT_TAX_LENGTH_MAX = 500, 200
DEFAULT_PARTITION = "tenuto"
"""Of all sites, unless Redis is a Cluster: there, sites are spread over more of them."""


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
    """Which keys of Redis its seats share; chosen when the site is made, and never changed."""
    epoch: int
    """Which filling of Redis this site is in; every rebuild raises it."""
    schedule_version: int
    staff_enter_shifts: bool = False
    """Whether those with the role of staff enter their own shifts and days off."""
    is_test: bool = False
    """In test mode: everything happens as in real life, and what is booked is not meant."""
    coupons_last_day: date | None = None
    """The last one on which any of its coupons counts; None where there is none."""
    receipt_seller: str = ""
    """Who sells, in lines under the site's name: address, tax number."""
    receipt_tax: str = ""
    """What is to be said about taxes under the sum."""

    def takes_coupons(self, now: datetime) -> bool:
        """Whether there is a code that somebody could have."""
        return self.coupons_last_day is not None and now.astimezone(self.zone).date() <= self.coupons_last_day

    @property
    def hold_length(self) -> timedelta:
        return timedelta(minutes=self.hold_minutes)
