"""The way from a hold to a booking, for nothing or for money, and what customers are told of it and find again."""

from functools import cached_property

from widget_server.assembly.ground import Ground
from widget_server.engine.connection import Connection
from widget_server.settings import Settings
from widget_server.store import move_requests
from widget_server.store.alternatives import LatePayments
from widget_server.store.coupons import Coupons as StoredCoupons
from widget_server.store.database import Database
from widget_server.store.letters import Letters
from widget_server.store.my_bookings import StoredMyBookings
from widget_server.store.payment_events import PaymentEvents
from widget_server.store.refunds import Refunds
from widget_server.store.sending import Sending
from widget_server.use_cases.bookings import Bookings
from widget_server.use_cases.calendar_files import CalendarFiles
from widget_server.use_cases.checkout import Checkout
from widget_server.use_cases.coupons import Coupons
from widget_server.use_cases.move_requests import MoveRequests
from widget_server.use_cases.my_bookings import MyBookings
from widget_server.use_cases.order_links import OrderLinks
from widget_server.use_cases.paid_moves import PaidMoves
from widget_server.use_cases.paid_seats import DecidingParts
from widget_server.use_cases.payment_accounts import PaymentAccounts
from widget_server.use_cases.pinning import PinningParts
from widget_server.use_cases.posting import Posting
from widget_server.use_cases.refunding import Refunding
from widget_server.use_cases.settling import Settling
from widget_server.use_cases.writing import Writing


class Orders(Ground):
    def __init__(self, settings: Settings, *, database: Database, connection: Connection, key: bytes) -> None:
        super().__init__(settings, database=database, connection=connection, key=key)
        self.links = OrderLinks(key, settings.base_url)
        self.letters = Letters(database)

    @cached_property
    def pinning(self) -> PinningParts:
        return PinningParts(
            catalog=self.catalog,
            engine=self.engine,
            store=self.store,
            scheduling=self.scheduling,
            reconciliation=self.reconciliation,
            clock=self.clock,
            key=self.key,
            coupons=self.coupons,
        )

    @cached_property
    def deciding(self) -> DecidingParts:
        return DecidingParts(
            attempts=self.attempts,
            payments=LatePayments(self.database),
            accounts=self.accounts,
            gateway=self.gateway,
            refunding=self.refunding,
            sites=self.sites,
            offers=self.offers,
        )

    @cached_property
    def bookings(self) -> Bookings:
        return Bookings(**self.pinning)

    @cached_property
    def coupons(self) -> Coupons:
        coupons = StoredCoupons(self.database)
        return Coupons(coupons=coupons, catalog=self.catalog, scheduling=self.scheduling, clock=self.clock)

    @cached_property
    def settling(self) -> Settling:
        return Settling(events=PaymentEvents(self.database), deciding=self.deciding, **self.pinning)

    @cached_property
    def checkout(self) -> Checkout:
        return Checkout(settling=self.settling, deciding=self.deciding, links=self.links, **self.pinning)

    @cached_property
    def paid_moves(self) -> PaidMoves:
        return PaidMoves(
            rescheduling=self.bookings,
            settling=self.settling,
            deciding=self.deciding,
            links=self.links,
            **self.pinning,
        )

    @cached_property
    def refunding(self) -> Refunding:
        refunds = Refunds(self.database)
        return Refunding(refunds=refunds, accounts=self.accounts, gateway=self.gateway, clock=self.clock)

    @cached_property
    def payment_accounts(self) -> PaymentAccounts:
        pretend_url = self.settings.stripe_url
        return PaymentAccounts(
            accounts=self.accounts,
            gateway=self.gateway,
            sites=self.sites,
            scheduling=self.scheduling,
            clock=self.clock,
            pretend_url=pretend_url,
            has_address=bool(self.settings.public_url or pretend_url),  # with a pretend one nobody is from elsewhere
        )

    @cached_property
    def writing(self) -> Writing:
        sender = self.mailer.sender if self.mailer else None
        return Writing(letters=self.letters, links=self.links, sender=sender)

    @cached_property
    def posting(self) -> Posting:
        return Posting(
            sending=Sending(self.database),
            writing=self.writing,
            sites=self.sites,
            mailer=self.mailer,
            clock=self.clock,
        )

    @cached_property
    def move_requests(self) -> MoveRequests:
        return MoveRequests(
            catalog=self.catalog,
            offers=self.offers,
            move_requests=move_requests.MoveRequests(self.database),
            clock=self.clock,
        )

    @cached_property
    def calendar_files(self) -> CalendarFiles:
        return CalendarFiles(bookings=self.bookings, letters=self.letters, links=self.links, clock=self.clock)

    @cached_property
    def my_bookings(self) -> MyBookings:
        found = StoredMyBookings(self.database)
        return MyBookings(catalog=self.catalog, my_bookings=found, links=self.links, clock=self.clock)
