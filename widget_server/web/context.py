"""What a request can reach: the use cases and a few settings. bootstrap.py puts it there once."""

from dataclasses import dataclass

from starlette.requests import Request

from widget_server.use_cases.audit_log import AuditLog
from widget_server.use_cases.availability import Availability
from widget_server.use_cases.blackouts import Blackouts
from widget_server.use_cases.bookings import Bookings
from widget_server.use_cases.calendar import Calendar
from widget_server.use_cases.calendar_files import CalendarFiles
from widget_server.use_cases.catalog import Catalog
from widget_server.use_cases.checkout import Checkout
from widget_server.use_cases.clearings import Clearings
from widget_server.use_cases.coupons import Coupons
from widget_server.use_cases.dashboard import Dashboard
from widget_server.use_cases.edits import Edits
from widget_server.use_cases.erasing import Erasing
from widget_server.use_cases.feed_lag import FeedLag
from widget_server.use_cases.freezing import Freezing
from widget_server.use_cases.kept_slots import KeptSlots
from widget_server.use_cases.messages import Messages
from widget_server.use_cases.move_requests import MoveRequests
from widget_server.use_cases.my_bookings import MyBookings
from widget_server.use_cases.next_date import NextDates
from widget_server.use_cases.offers import Offers
from widget_server.use_cases.operations import Operations
from widget_server.use_cases.paid_moves import PaidMoves
from widget_server.use_cases.payment_accounts import PaymentAccounts
from widget_server.use_cases.people import People
from widget_server.use_cases.readiness import Readiness
from widget_server.use_cases.receipts import Receipts
from widget_server.use_cases.reconciliation import Reconciliation
from widget_server.use_cases.refunding import Refunding
from widget_server.use_cases.reliability import Reliability
from widget_server.use_cases.scheduling import Scheduling
from widget_server.use_cases.services import Services
from widget_server.use_cases.settling import Settling
from widget_server.use_cases.sightings import Sightings
from widget_server.use_cases.sites import Sites
from widget_server.use_cases.staffing import Staffing
from widget_server.use_cases.subscriptions import Subscriptions
from widget_server.use_cases.unfinished_payments import UnfinishedPayments
from widget_server.use_cases.week import Weeks


@dataclass(frozen=True, slots=True)
class UseCases:
    catalog: Catalog
    availability: Availability
    next_dates: NextDates
    bookings: Bookings
    checkout: Checkout
    paid_moves: PaidMoves
    coupons: Coupons
    settling: Settling
    refunding: Refunding
    move_requests: MoveRequests
    reconciliation: Reconciliation
    scheduling: Scheduling
    sites: Sites
    people: People
    payment_accounts: PaymentAccounts
    unfinished_payments: UnfinishedPayments
    edits: Edits
    clearings: Clearings
    kept_slots: KeptSlots
    services: Services
    calendar: Calendar
    freezing: Freezing
    weeks: Weeks
    staffing: Staffing
    blackouts: Blackouts
    dashboard: Dashboard
    offers: Offers
    sightings: Sightings
    operations: Operations
    erasing: Erasing
    messages: Messages
    calendar_files: CalendarFiles
    receipts: Receipts
    my_bookings: MyBookings
    reliability: Reliability
    feed_lag: FeedLag
    audit_log: AuditLog
    subscriptions: Subscriptions
    readiness: Readiness


def use_cases(request: Request) -> UseCases:
    found: UseCases = request.state.use_cases
    return found


def base_url(request: Request) -> str:
    """Where browsers reach this server, without a slash at the end."""
    url: str = request.state.base_url
    return url
