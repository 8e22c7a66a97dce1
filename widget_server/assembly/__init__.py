"""The only place that says what each part is made of: the ground, orders on it, and rooms on both."""

from functools import cached_property

from widget_server.assembly.rooms import Rooms
from widget_server.store import audit_log, sightings
from widget_server.store import erasing as stored_erasing
from widget_server.store.unfinished import UnfinishedPayments as StoredUnfinishedPayments
from widget_server.use_cases.audit_log import AuditLog
from widget_server.use_cases.blackouts import Blackouts
from widget_server.use_cases.calendar import Calendar
from widget_server.use_cases.erasing import Erasing
from widget_server.use_cases.freezing import Freezing
from widget_server.use_cases.next_date import NextDates
from widget_server.use_cases.receipts import Receipts
from widget_server.use_cases.services import Services
from widget_server.use_cases.sightings import Sightings
from widget_server.use_cases.staffing import Staffing
from widget_server.use_cases.unfinished_payments import UnfinishedPayments
from widget_server.web.context import UseCases


class Assembly(Rooms):
    @cached_property
    def use_cases(self) -> UseCases:
        """All that a request can reach."""
        database, clock = self.database, self.clock
        return UseCases(
            catalog=self.catalog,
            availability=self.availability,
            next_dates=NextDates(catalog=self.catalog, availability=self.availability, clock=clock),
            bookings=self.bookings,
            checkout=self.checkout,
            paid_moves=self.paid_moves,
            coupons=self.coupons,
            settling=self.settling,
            refunding=self.refunding,
            move_requests=self.move_requests,
            reconciliation=self.reconciliation,
            scheduling=self.scheduling,
            sites=self.all_sites,
            people=self.people,
            payment_accounts=self.payment_accounts,
            unfinished_payments=UnfinishedPayments(unfinished=StoredUnfinishedPayments(database), clock=clock),
            edits=self.edits,
            clearings=self.clearings,
            kept_slots=self.kept_slots,
            services=Services(self.edits),
            calendar=Calendar(self.edits),
            freezing=Freezing(self.edits, clock),
            weeks=self.weeks,
            staffing=Staffing(self.edits),
            blackouts=Blackouts(self.edits),
            dashboard=self.dashboard,
            offers=self.offers,
            sightings=Sightings(sightings.Sightings(database), clock),
            operations=self.operations,
            erasing=Erasing(erasing=stored_erasing.Erasing(database), clock=clock),
            messages=self.messages,
            calendar_files=self.calendar_files,
            receipts=Receipts(checkout=self.checkout, catalog=self.catalog, letters=self.letters),
            my_bookings=self.my_bookings,
            reliability=self.reliability,
            feed_lag=self.feed_lag,
            audit_log=AuditLog(audit_log.AuditLog(self.database)),
            subscriptions=self.subscriptions,
            readiness=self.readiness,
        )
