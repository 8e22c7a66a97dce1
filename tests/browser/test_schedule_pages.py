"""Operators set up what can be booked when, on a desk and on a phone; open widgets follow."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Page, expect
from sqlmodel import select

from tests.browser.conftest import Invite
from tests.browser.devices import TALL
from tests.browser.hosting import Host
from tests.browser.people import Visitor, is_sound
from tests.browser.serving import BERLIN, LESSON, YOGA, Server, Studio
from widget_server.domain.slots import Slot
from widget_server.store.tables import ClearingRow, OperatorRow

pytestmark = pytest.mark.anyio

DESK, PHONE = 1280, 390


async def arrive(server: Server, studio: Studio, operator: Visitor) -> None:
    await operator.opens(await server.first_run_link_of(studio))
    await operator.sets_up(f"operator-{studio.key}@example.org")


def room(studio: Studio, path: str) -> str:
    return f"{studio.url}/admin/sites/{studio.key}/{path}"


def in_two_days() -> datetime:
    return datetime.now(BERLIN) + timedelta(days=2)


def evening(service: str = YOGA.key) -> Slot:
    """At eight in two days, where nothing is offered yet."""
    starts_at = in_two_days().replace(hour=20, minute=0, second=0, microsecond=0).astimezone(UTC)
    return Slot(service, starts_at, starts_at + timedelta(hours=1))


async def opens_calendar(page: Page, studio: Studio) -> None:
    await page.goto(room(studio, f"services/{YOGA.key}/calendar?week={in_two_days().date()}"))


async def test_a_slot_that_is_added_appears_in_open_widgets(server: Server, host: Host, invite: Invite) -> None:
    operator, visitor = await invite("operator", width=DESK), await invite("visitor")
    studio = await server.open_studio(YOGA, origins=[host.origin])
    await arrive(server, studio, operator)
    await visitor.opens(host.page(studio))
    await visitor.looks_at(studio.slot(YOGA))
    await expect(visitor.row(studio.slot(YOGA))).to_be_visible()

    await opens_calendar(operator.page, studio)
    day = operator.page.locator(".day").first
    await day.locator("h2").click()
    await day.get_by_label("Start").last.fill("20:00")
    await expect(day.get_by_label("End").last).to_have_value("21:00")
    await operator.page.keyboard.press("Enter")
    await expect(operator.page.get_by_text("Updated.")).to_be_visible()

    await expect(visitor.row(evening())).to_be_visible()
    await visitor.holds(evening())


async def test_everything_typed_in_the_calendar_can_be_undone(server: Server, invite: Invite) -> None:
    operator = await invite("operator", width=DESK)
    studio = await server.open_studio(YOGA, origins=[])
    await arrive(server, studio, operator)
    page = operator.page
    day = page.locator(".day").first
    undo = page.get_by_role("button", name="Undo")
    start = day.get_by_label("Start").first

    for width in (DESK, PHONE):
        await page.set_viewport_size({"width": width, "height": TALL})
        await opens_calendar(page, studio)
        await start.fill("09:00")
        await start.blur()
        await day.get_by_label("Remove").first.check()
        await day.get_by_role("button", name="Add a time").click()
        await undo.click()
        await expect(day.get_by_label("Start")).to_have_count(1)
        await undo.click()
        await expect(day.get_by_label("Remove").first).not_to_be_checked()
        await undo.click()

        await expect(start).to_have_value("10:00")
        await expect(undo).to_be_hidden()


async def test_from_nothing_to_a_calendar_without_scripts(server: Server, host: Host, invite: Invite) -> None:
    """On a phone, as far as it goes without any script of ours; the widget wants one, so a visitor looks."""
    operator, visitor = (
        await invite("operator", width=PHONE, own=True, java_script_enabled=False),
        await invite("visitor"),
    )
    studio = await server.open_studio(origins=[host.origin])
    page = operator.page
    link, _, code = (await server.first_run_link_of(studio)).partition("#")
    await page.goto(link)
    await page.get_by_label("Setup code").fill(code)
    await page.get_by_label("E-mail").fill(f"operator-{studio.key}@example.org")
    await page.get_by_label("Password", exact=True).fill("a long walk by the river")
    await page.get_by_role("button", name="Set password and go on").click()

    await page.goto(room(studio, "start"))
    await page.get_by_role("link", name="Add a service").click()
    await page.get_by_label("Name", exact=True).fill("Yoga")
    await page.get_by_role("button", name="Save and choose times").click()
    await page.goto(f"{page.url.partition('?')[0]}?week={in_two_days().date()}")
    day = page.locator(".day").first
    await day.get_by_label("Start").fill("20:00")
    await day.get_by_label("End").fill("21:00")
    await page.get_by_role("button", name="Update").last.click()
    await expect(page.get_by_text("Updated.")).to_be_visible()

    await visitor.opens(host.page(studio))
    await visitor.looks_at(evening())
    await page.goto(room(studio, "start"))
    await expect(page.get_by_text("All is set up")).to_be_visible()


async def test_who_has_booked_is_shown_before_a_blackout_is_saved(server: Server, host: Host, invite: Invite) -> None:
    operator, visitor = await invite("operator", width=PHONE), await invite("visitor")
    operator.expects("422")
    studio = await server.open_studio(YOGA, origins=[host.origin])
    await arrive(server, studio, operator)
    await visitor.opens(host.page(studio))
    await visitor.holds(studio.slot(YOGA))
    await visitor.confirms("Anna Ek")
    await visitor.is_booked()

    page = operator.page
    await page.goto(room(studio, "blackouts/new"))
    await page.get_by_label("First day").fill(str(in_two_days().date()))
    await page.get_by_role("button", name="Save blackout").click()
    await expect(page.get_by_text("Anna Ek")).to_be_visible()
    await is_sound(page, "who is affected")
    await page.get_by_label("Cancel them").check()
    await page.get_by_label("Your message to them").fill("The heating is being repaired.\nSorry!")
    await is_sound(page, "cancel them, with a message")
    await page.get_by_label("Keep them").check()
    await page.get_by_role("button", name="Save blackout").click()

    await expect(page.get_by_text("Saved.")).to_be_visible()


async def clears(server: Server, studio: Studio) -> int:
    """What became of more bookings than a story can make: all is done by now."""
    async with server.parts() as parts, parts.database.transaction() as session:
        site, now = await parts.sites.by_key(studio.key), datetime.now(UTC)
        assert site is not None
        operator = select(OperatorRow.id).where(OperatorRow.email == f"operator-{studio.key}@example.org")
        clearing = ClearingRow(
            site_id=site.id,
            operator_id=(await session.exec(operator)).one() or 0,
            message="",
            bookings=60,
            created_at=now,
            ended_at=now,
        )
        session.add(clearing)
        await session.flush()
        assert clearing.id is not None
        return clearing.id


ROOMS = (
    "start",
    "services",
    "services/new",
    "services/yoga",
    "services/yoga/calendar",
    "services/yoga/export",
    "staff",
    "staff/new",
    "staff/anna",
    "blackouts",
    "blackouts/new",
)


async def test_everybody_can_use_the_pages(server: Server, host: Host, invite: Invite) -> None:
    operator, visitor = await invite("operator", width=PHONE), await invite("visitor")
    studio = await server.open_studio(YOGA, LESSON, origins=[host.origin])
    await arrive(server, studio, operator)
    page = operator.page
    await visitor.opens(f"{host.page(studio)}")
    await visitor.picks_service("Yoga")
    await visitor.holds(studio.slot(YOGA))
    await page.goto(room(studio, "staff/new"))
    await page.get_by_label("Name").fill("Anna")
    await page.locator("[name=serves-yoga]").check()
    await page.get_by_label("Start of shift 1").fill("10:00")
    await page.get_by_label("End of shift 1").fill("12:00")
    await page.get_by_role("button", name="Add").click()
    await expect(page.get_by_text("Saved.")).to_be_visible()

    week_of_the_hold = f"services/yoga/calendar?week={in_two_days().date()}"
    for path in (*ROOMS, week_of_the_hold, f"clearings/{await clears(server, studio)}"):
        await page.goto(room(studio, path))
        await page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        await is_sound(page, path)
