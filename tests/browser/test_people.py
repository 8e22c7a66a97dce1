"""An owner invites who serves; they sign in, see whom they serve, and enter a shift. On a desk and on a phone."""

import re
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest
from playwright.async_api import Page, expect
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.browser.conftest import Invite
from tests.browser.hosting import Host
from tests.browser.people import PASSWORD, is_sound
from tests.browser.serving import BERLIN, YOGA, Server, Studio
from tests.browser.test_schedule_pages import PHONE, arrive, room
from widget_server.domain.schedule import CapacityRule
from widget_server.domain.staffing import Shift, StaffMember
from widget_server.store.schedule import put_service
from widget_server.store.staff import put_member, put_shifts

pytestmark = pytest.mark.anyio

MIA = StaffMember("mia", "Mia Lind", services=frozenset({YOGA.key}))


async def hire(server: Server, studio: Studio) -> None:
    """Mia serves yoga from now on, which has as many seats as she takes."""
    async with server.parts() as parts:
        site = await parts.sites.by_key(studio.key)
        assert site is not None

        async def write(session: AsyncSession) -> None:
            service = replace(YOGA.service(), capacity_rule=CapacityRule.BY_SHIFT)
            await put_service(session, site.id, service, at=datetime.now(UTC))
            await put_member(session, site.id, MIA)
            shifts = [Shift(MIA.key, time(8), time(18), weekday=weekday) for weekday in range(7)]
            await put_shifts(session, site.id, MIA.key, shifts)

        await parts.use_cases.scheduling.change(site, write)


async def is_fair(page: Page) -> None:
    await is_sound(page, page.url)


async def test_who_is_invited_sees_their_diary(server: Server, host: Host, invite: Invite) -> None:
    owner = await invite("owner", width=PHONE)
    mia, visitor = await invite("mia", width=PHONE), await invite("visitor")
    studio = await server.open_studio(YOGA, origins=[host.origin])
    await hire(server, studio)
    await arrive(server, studio, owner)
    page, hers = owner.page, mia.page

    await page.goto(room(studio, "settings"))
    await page.get_by_label("Staff enter their own shifts").check()
    await page.get_by_role("button", name="Save settings").click()
    await expect(page.get_by_text("Saved.")).to_be_visible()
    await page.goto(room(studio, "people"))
    await page.get_by_label("E-mail").fill(f"mia-{studio.key}@example.org")
    await page.get_by_label("Who of your staff").select_option("Mia Lind")
    await page.get_by_role("button", name="Make a link").click()
    link = await page.locator("#link").inner_text()
    await is_fair(page)

    await hers.goto(link)
    await hers.get_by_role("button", name="Open the invitation").click()
    await expect(hers.get_by_role("heading", name="Studio Tenuto")).to_be_visible()
    await is_fair(hers)
    await hers.get_by_label("Password", exact=True).fill(PASSWORD)
    await hers.get_by_role("button", name="Accept").click()
    await expect(hers.get_by_role("heading", name="Your diary")).to_be_visible()

    await visitor.opens(host.page(studio))
    await visitor.holds(studio.slot(YOGA))
    await visitor.confirms("Anna Ek")
    await visitor.is_booked()
    await hers.goto(room(studio, f"diary?week={studio.slot(YOGA).starts_at.astimezone(BERLIN).date()}"))
    await expect(hers.get_by_text("Anna, 1 seat")).to_be_visible()
    await expect(hers.get_by_text("Anna Ek")).to_have_count(0)
    await is_fair(hers)

    await hers.get_by_role("link", name="Shifts").click()
    await is_fair(hers)
    on = datetime.now(BERLIN).date() + timedelta(days=2)
    await hers.get_by_label("Day of single shift 1").fill(str(on))
    await hers.get_by_label("Start of single shift 1").fill("20:00")
    await hers.get_by_label("End of single shift 1").fill("21:00")
    await hers.get_by_role("button", name="Save").click()
    await expect(hers.get_by_text("Saved.")).to_be_visible()

    await page.goto(room(studio, "people"))
    await is_fair(page)
    await page.get_by_role("link", name=re.compile("^mia-")).click()
    await is_fair(page)
    await page.locator("summary", has_text="Take away access").click()
    await page.get_by_role("button", name="Yes, take it away").click()
    await expect(page.get_by_text("They cannot enter this site any more.")).to_be_visible()
    mia.expects("404")
    await hers.goto(room(studio, "diary"))
    await expect(hers.get_by_text("You have no site of this name.")).to_be_visible()


async def test_one_way_leads_from_site_to_site(server: Server, invite: Invite) -> None:
    owner = await invite("owner", width=PHONE)
    studio = await server.open_studio(YOGA, origins=[])
    await arrive(server, studio, owner)
    page = owner.page
    sites = page.get_by_label("Studio Tenuto: your sites")

    await sites.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("link", name="New site")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("link", name="New site")).to_be_hidden()
    await expect(sites).to_be_focused()
    await sites.click()
    await is_fair(page)
    await page.get_by_role("link", name="New site").click()
    await page.get_by_label("Name").fill(f"Garden {studio.key}")
    await is_fair(page)
    await page.get_by_role("button", name="Make the site").click()
    await expect(page).to_have_url(re.compile(f"/admin/sites/garden-{studio.key}/start$"))

    await page.goto(f"{studio.url}/admin")
    await is_fair(page)
    await page.get_by_role("link", name="Studio Tenuto").click()
    await expect(page).to_have_url(re.compile(f"/admin/sites/{studio.key}$"))
