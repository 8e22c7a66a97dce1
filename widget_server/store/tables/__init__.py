"""The only place that says what the SQL tables look like. No row leaves the store: it answers in domain values.

Each file has the tables of one noun; whoever needs some takes them from here.
"""

from widget_server.store.tables.audit import AuditEntryRow, AuditRoundRow
from widget_server.store.tables.bookings import (
    AssignmentRow,
    AttendeeRow,
    BookingRow,
    BookingsLinkRow,
    MeetingRow,
    OrderRow,
    OutcomeRow,
)
from widget_server.store.tables.coupons import CouponRow, CouponUseRow
from widget_server.store.tables.messages import MessageRow, OutboxRow
from widget_server.store.tables.moves import ClearingBookingRow, ClearingRow, MoveRequestRow, ReschedulingRow
from widget_server.store.tables.operators import InvitationRow, MembershipRow, OperatorRow, SignInRow
from widget_server.store.tables.payments import (
    AlternativeRow,
    AttemptRow,
    PaymentAccountRow,
    PaymentEventRow,
    RefundRow,
)
from widget_server.store.tables.services import BlackoutRow, OpeningRow, ServiceRow, SlotRuleRow
from widget_server.store.tables.sites import SightingRow, SiteRow
from widget_server.store.tables.staff import DayOffRow, ShiftRow, ShiftServiceRow, StaffRow, StaffServiceRow
from widget_server.store.tables.table import Instant, Table, values

__all__ = [
    "AlternativeRow",
    "AssignmentRow",
    "AttemptRow",
    "AttendeeRow",
    "AuditEntryRow",
    "AuditRoundRow",
    "BlackoutRow",
    "BookingRow",
    "BookingsLinkRow",
    "ClearingBookingRow",
    "ClearingRow",
    "CouponRow",
    "CouponUseRow",
    "DayOffRow",
    "Instant",
    "InvitationRow",
    "MeetingRow",
    "MembershipRow",
    "MessageRow",
    "MoveRequestRow",
    "OpeningRow",
    "OperatorRow",
    "OrderRow",
    "OutboxRow",
    "OutcomeRow",
    "PaymentAccountRow",
    "PaymentEventRow",
    "RefundRow",
    "ReschedulingRow",
    "ServiceRow",
    "ShiftRow",
    "ShiftServiceRow",
    "SightingRow",
    "SignInRow",
    "SiteRow",
    "SlotRuleRow",
    "StaffRow",
    "StaffServiceRow",
    "Table",
    "values",
]
