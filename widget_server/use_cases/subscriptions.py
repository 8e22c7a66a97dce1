"""Bookings in the calendar program of whoever serves them, or of an owner, under an address that only they know."""

from dataclasses import dataclass
from datetime import timedelta
from hmac import compare_digest

from widget_server.clock import Clock
from widget_server.domain.diary import first_name
from widget_server.domain.sites import Site
from widget_server.errors import NotFound
from widget_server.ids import keyed, new_id
from widget_server.messages.calendar_files import SubscribedMeeting, write_subscription
from widget_server.messages.words import Words, words_for
from widget_server.store.sites import Sites
from widget_server.store.subscriptions import Subscription
from widget_server.store.subscriptions import Subscriptions as StoredSubscriptions
from widget_server.use_cases.dashboard import Appointment, Dashboard
from widget_server.use_cases.order_links import OrderLinks
from widget_server.use_cases.tries import Tries

KEPT_FOR = timedelta(days=1)
"""So long what is over stays in calendars; the rest is in the diary."""
BOOKINGS_MAX = 1_000
"""The next ones."""
READS_MAX = 30
"""Of one address, in `Tries.window`: programs ask every few minutes at most."""


@dataclass(frozen=True, slots=True)
class Address:
    """Whoever has it reads the bookings, and can do nothing else."""

    id: int
    secret: str


class Subscriptions:
    def __init__(
        self,
        *,
        subscriptions: StoredSubscriptions,
        sites: Sites,
        dashboard: Dashboard,
        links: OrderLinks,
        clock: Clock,
        key: bytes,
    ) -> None:
        self._subscriptions = subscriptions
        self._sites = sites
        self._dashboard = dashboard
        self._links = links
        self._clock = clock
        self._key = key
        self._tries = Tries(clock)

    async def address(self, site: Site, operator_id: int) -> Address | None:
        """Of a member's calendar, if they have made one. Raises NotFound, Unavailable."""
        found = await self._subscriptions.of(site.id, operator_id)
        return Address(found.id, self._secret_of(found)) if found else None

    async def renew(self, site: Site, operator_id: int) -> None:
        """Another address; the one before works no longer. Raises NotFound, Unavailable."""
        await self._subscriptions.put(site.id, operator_id, new_id(), at=self._clock.now())

    async def end(self, site: Site, operator_id: int) -> None:
        """The address works no longer; again: nothing more happens. Raises NotFound, Unavailable."""
        await self._subscriptions.end(site.id, operator_id, at=self._clock.now())

    async def calendar(self, address: Address) -> str:
        """What its member may see by now: all of the site, or what they serve. Of customers it has first names only.

        Raises NotFound, TooManyTries, Unavailable.
        """
        found = await self._subscriptions.find(address.id)
        if found is None or not compare_digest(self._secret_of(found).encode(), address.secret.encode()):
            raise NotFound("There is no such calendar.")
        self._tries.spend([(f"calendar/{found.id}", READS_MAX)])
        site = await self._sites.by_id(found.site_id)
        assert site is not None, "its members have not outlived it"
        of_staff = "" if found.is_of_owner else found.staff or ""
        since, words = self._clock.now() - KEPT_FOR, words_for(site.locale, site.locale)
        agenda, _ = await self._dashboard.agenda(site, since, staff=of_staff, bookings_max=BOOKINGS_MAX)
        meetings = [self._meeting(site, one, words, to_owner=found.is_of_owner) for one in agenda]
        return write_subscription(site, meetings, at=self._clock.now())

    def _meeting(self, site: Site, one: Appointment, words: Words, *, to_owner: bool) -> SubscribedMeeting:
        title = f"{one.service_name} ({words.seats(one.seats)})"
        is_test = any(line.is_test for line in one.bookings)
        coming = [f"{first_name(line.customer)}: {words.seats(line.seats)}" for line in one.bookings]
        served_by = [words.say("with", names=words.names(one.served_by))] if to_owner and one.served_by else []
        return SubscribedMeeting(
            slot=one.slot,
            title=words.say("test.subject", subject=title) if is_test else title,
            description="\n".join([*coming, *served_by]),
            link=self._links.for_meeting(site.key, one.slot.id) if to_owner else self._links.for_diary(site.key),
        )

    def _secret_of(self, found: Subscription) -> str:
        return keyed(self._key, "calendar", f"{found.id}/{found.token}")
