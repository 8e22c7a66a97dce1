"""The only place for the sample site of `tenuto demo`: always something to book, and a Stripe to pretend at."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from widget_server.assets import find
from widget_server.bootstrap import Parts, secret_key
from widget_server.clock import SystemClock
from widget_server.domain.money import Money
from widget_server.domain.payment_accounts import AccountState, KeptAccount, shown
from widget_server.domain.payments import PaymentAccount
from widget_server.domain.schedule import (
    CapacityRule,
    Opening,
    Place,
    Schedule,
    Service,
    ServiceKind,
    Shift,
    StaffMember,
)
from widget_server.domain.sites import Site
from widget_server.payments import fake_stripe
from widget_server.sealing import Seal
from widget_server.settings import Settings
from widget_server.store.payment_accounts import PaymentAccounts
from widget_server.store.schedule import put_openings, put_service, put_settings
from widget_server.store.staff import put_member, put_shifts

SITE_KEY, SITE_NAME, ZONE = "demo", "Studio Tenuto", ZoneInfo("Europe/Berlin")
ACCENT = "#2f6f5e"
WEEKS_OF_CONCERTS = 26
_FREE = Money(0, "EUR")
PRETEND_STRIPE = "/pretend-stripe"
PRETEND_KEYS = {
    True: PaymentAccount("sk_test_pretendStudioTenuto0001", "whsec_pretendStudioTenutoTest0001"),
    False: PaymentAccount("sk_live_pretendStudioTenuto0002", "whsec_pretendStudioTenutoLive0002"),
}
"""Of the sample site, by whether they are for test mode. Nobody's secret: only our own pretend Stripe knows them."""

SERVICES = (
    Service(
        key="yoga",
        name="Gentle yoga",
        kind=ServiceKind.CLASS,
        place=Place.IN_PERSON,
        description="An unhurried hour for all levels. Mats and tea are there.",
        length_min=60,
        capacity=12,
        seats_per_booking_max=6,
        price=_FREE,
        access="Studio Tenuto, Elm Street 12, first floor. The door opens ten minutes before.",
    ),
    Service(
        key="consultation",
        name="First consultation",
        kind=ServiceKind.CONSULTATION,
        place=Place.ONLINE,
        description="Half an hour, just you and one of our teachers, by video.",
        length_min=30,
        capacity=1,
        seats_per_booking_max=1,
        price=_FREE,
        access="https://video.example.org/studio-tenuto",
    ),
    Service(
        key="lesson",
        name="One-to-one lesson",
        kind=ServiceKind.CONSULTATION,
        place=Place.IN_PERSON,
        description="Forty-five minutes with one of our teachers. Who it is follows from who is there.",
        length_min=45,
        capacity=1,
        seats_per_booking_max=1,
        price=_FREE,
        access="Studio Tenuto, Elm Street 12, the small room on the first floor.",
        capacity_rule=CapacityRule.BY_SHIFT,
    ),
    Service(
        key="evening",
        name="Evening of strings",
        kind=ServiceKind.EVENT,
        place=Place.IN_PERSON,
        description="A string quartet between the mats. Eighty seats, one evening a week.",
        length_min=120,
        capacity=80,
        seats_per_booking_max=8,
        price=_FREE,
        access="The big hall behind the studio, entrance from the garden.",
    ),
    Service(
        key="workshop",
        name="Weekend workshop",
        kind=ServiceKind.CLASS,
        place=Place.IN_PERSON,
        description="Three hours of yoga and breathing in a small group, with soup and bread in between.",
        length_min=180,
        capacity=14,
        seats_per_booking_max=4,
        price=Money(3800, "EUR"),
        access="Studio Tenuto, Elm Street 12, the garden room. Bring a warm jumper.",
        cancel_until_min=24 * 60,
    ),
)

_LESSON = frozenset({"lesson"})
STAFF = (
    StaffMember("mia", "Mia Lindqvist", services=_LESSON),
    StaffMember("jonas", "Jonas Weber", services=_LESSON),
    StaffMember("priya", "Priya Nair", services=_LESSON),
)
SHIFTS = (
    *(Shift("mia", time(9), time(14), weekday=weekday) for weekday in range(5)),
    *(Shift("jonas", time(12), time(17), weekday=weekday) for weekday in range(7)),
    *(Shift("priya", time(9), time(17), weekday=weekday) for weekday in (1, 3, 5, 6)),
)
"""Somebody is there every day, for some hours two or three."""


def openings(today: date) -> tuple[Opening, ...]:
    """Yoga every morning and evening, the rest in between, workshops from Friday to Sunday, a concert every week."""
    daily = [
        opening
        for weekday in range(7)
        for opening in (
            Opening("yoga", time(8), time(11), weekday=weekday),
            Opening("yoga", time(18), time(20), weekday=weekday),
            Opening("consultation", time(10), time(12, 30), weekday=weekday),
            Opening("consultation", time(14), time(17), weekday=weekday),
            Opening("lesson", time(9), time(17), weekday=weekday),
        )
    ]
    workshops = [Opening("workshop", time(13), time(16), weekday=weekday) for weekday in (4, 5, 6)]
    evenings = [today + timedelta(days=2 + 7 * week) for week in range(WEEKS_OF_CONCERTS)]
    return (*daily, *workshops, *(Opening("evening", time(19, 30), time(21, 30), day=evening) for evening in evenings))


async def ensure_sample_site(parts: Parts) -> Site:
    """Make the site on the first start, with openings that begin today; later starts leave it as it is."""
    sites = parts.use_cases.sites
    if await parts.sites.by_key(SITE_KEY) is None:
        await sites.create(key=SITE_KEY, name=SITE_NAME, zone=ZONE.key, currency="EUR", locale="en-GB")
    await parts.use_cases.reconciliation.ensure_loaded(SITE_KEY)
    listing = await parts.use_cases.catalog.find(SITE_KEY)
    site, today = listing.site, datetime.now(ZONE).date()

    async def write(session: AsyncSession) -> None:
        if not listing.schedule.services:  # not "if we made the site": a first start may have been cut off
            await put_settings(session, replace(site, accent=ACCENT, origins=(host_origin(parts.settings),)))
        for service in SERVICES:
            if service.key in listing.schedule.services:
                continue  # the operator may have changed it, and its times
            await put_service(session, site.id, service, at=datetime.now(UTC))
            own = [opening for opening in openings(today) if opening.service == service.key]
            await put_openings(session, site.id, service.key, own)
            if service.capacity_rule is CapacityRule.BY_SHIFT:
                await _put_staff(session, site, listing.schedule)

        if is_pretending(parts.settings):
            await _put_pretend_accounts(session, site, accounts, present)

    accounts = PaymentAccounts(parts.database, Seal(secret_key(parts.settings)))
    present = await accounts.kept(site.id)
    await parts.use_cases.scheduling.change(site, write)
    parts.use_cases.catalog.forget(SITE_KEY)  # nobody follows the feed yet
    return site


async def _put_staff(session: AsyncSession, site: Site, present: Schedule) -> None:
    """Whom the operator has entered under one of these names is theirs."""
    for member in (one for one in STAFF if one.key not in present.staff):
        await put_member(session, site.id, member)
        await put_shifts(session, site.id, member.key, [shift for shift in SHIFTS if shift.staff == member.key])


async def _put_pretend_accounts(
    session: AsyncSession, site: Site, accounts: PaymentAccounts, present: Sequence[KeptAccount]
) -> None:
    """What the operator has entered in their place stays; not what was sealed under another server key."""
    now = datetime.now(UTC)
    for is_test, keys in PRETEND_KEYS.items():
        if any(one.is_test == is_test and one.is_readable for one in present):
            continue
        account = KeptAccount(
            is_test=is_test,
            key_shown=shown(keys.secret_key),
            webhook_shown=shown(keys.webhook_secret),
            name=SITE_NAME,
            state=AccountState.ACCEPTED,
            checked_at=now,
            entered_at=now,
            webhook_entered_at=now,
            removed_at=None,
            is_readable=True,
        )
        await accounts.put(session, site.id, account, keys)


def with_pretend_stripe(settings: Settings) -> Settings:
    """Ours, on this very server, unless another one is set."""
    if settings.stripe_url is not None:
        return settings
    return settings.model_copy(update={"stripe_url": _own_url(settings) + PRETEND_STRIPE})


def is_pretending(settings: Settings) -> bool:
    return settings.stripe_url == _own_url(settings) + PRETEND_STRIPE


def _own_url(settings: Settings) -> str:
    """Where this process reaches itself, also behind a proxy."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104  compared with, not listened on
    return f"http://{everywhere.get(settings.host, settings.host)}:{settings.port}"


@asynccontextmanager
async def pretend_stripe(app: Starlette, settings: Settings) -> AsyncIterator[None]:
    """Serve a pretend Stripe as well, which knows the keys of the sample site, and tells it what happens over HTTP."""
    if not is_pretending(settings):
        yield
        return
    books = fake_stripe.Books(SystemClock(), public_url=settings.base_url + PRETEND_STRIPE)
    for keys in PRETEND_KEYS.values():
        books.open_account(
            name=SITE_NAME,
            secret_key=keys.secret_key,
            webhook_secret=keys.webhook_secret,
            webhook_url=f"{_own_url(settings)}/stripe/webhook/{SITE_KEY}",
        )
    served = fake_stripe.app(books, kept_in=settings.data_dir / "pretend-stripe.json")
    app.router.routes.insert(0, Mount(PRETEND_STRIPE, served))
    try:
        yield
    finally:
        await served.state.postman.close()


def host_origin(settings: Settings) -> str:
    """Another site than the widget's, to a browser: 127.0.0.1 against localhost."""
    return f"http://127.0.0.1:{settings.port}"


def with_host_page(app: Starlette, settings: Settings) -> Starlette:
    """Also serve the page that a site owner would have, from its own origin."""

    async def host_page(request: Request) -> Response:
        if request.url.hostname != "127.0.0.1":
            return RedirectResponse(f"{host_origin(settings)}/")
        page = find("embed-example.html").read_text("utf-8").replace("http://localhost:8000", settings.base_url)
        ours = settings.base_url
        policy = f"default-src 'self' 'unsafe-inline'; img-src data:; script-src {ours}; frame-src {ours}"
        return HTMLResponse(page, headers={"content-security-policy": policy, "cache-control": "no-store"})

    app.router.routes.insert(0, Route("/", host_page))
    return app


def welcome(settings: Settings, first_run_link: str | None) -> str:
    sign_in = first_run_link or f"{settings.base_url}/admin"
    once = "  (sets your password; works once)" if first_run_link else ""
    return f"""
  Tenuto is running. Open the host page in two windows, and watch a seat move.

    A host page     {host_origin(settings)}/
    The widget      {settings.base_url}/w/{SITE_KEY}
    Settings        {sign_in}{once}

  The weekend workshop has a price: pay for it at a pretend Stripe, where no money moves.

  Ctrl-C stops all of it; the data stays in {settings.data_dir}/
"""
