"""An operator changes something in the settings, and open widgets follow."""

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Invite
from tests.browser.hosting import Host
from tests.browser.people import Visitor
from tests.browser.serving import YOGA, Server

pytestmark = pytest.mark.anyio


async def test_from_the_first_run_link_to_a_widget_on_the_own_page(server: Server, host: Host, invite: Invite) -> None:
    operator, visitor = await invite("operator"), await invite("visitor")
    visitor.expects("frame-ancestors", "chrome-error://")
    studio = await server.open_studio(YOGA, origins=[])
    page = host.page(studio)
    async with visitor.page.expect_console_message(lambda told: "frame-ancestors" in told.text):
        await visitor.opens(page)

    await operator.opens(await server.first_run_link_of(studio))
    await operator.sets_up(f"operator-{studio.key}@example.org")
    await operator.goes_to("Settings")
    await operator.page.get_by_label("Allowed origins").fill(host.origin)
    await operator.page.get_by_label("Length of a hold").fill("3")
    await operator.page.get_by_role("button", name="Save settings").click()
    await expect(operator.page.get_by_text("Saved.")).to_be_visible()
    await is_there_again_by_going_back(operator)

    await visitor.page.reload()
    await visitor.holds(studio.slot(YOGA))
    assert 150 <= await visitor.seconds_left() <= 180


async def is_there_again_by_going_back(operator: Visitor) -> None:
    """Also after the form was refused and sent once more: the browser has kept none of these pages."""
    operator.expects("422")
    page, length = operator.page, operator.page.get_by_label("Length of a hold")
    for minutes, said in (("0", length.and_(page.locator("[aria-invalid=true]"))), ("3", page.get_by_text("Saved."))):
        await length.fill(minutes)
        await page.get_by_role("button", name="Save settings").click()
        await expect(said).to_be_visible()

    await page.go_back()

    await expect(length).to_have_value("3")


async def test_a_first_run_link_works_once(server: Server, invite: Invite) -> None:
    operator, late = await invite("operator"), await invite("late")
    late.expects("422", "410")
    studio = await server.open_studio(YOGA, origins=[])
    link = await server.first_run_link_of(studio)
    await operator.opens(link)
    await operator.sets_up(f"operator-{studio.key}@example.org")

    await late.opens(link)
    await late.page.get_by_label("E-mail").fill("late@example.org")
    await late.page.get_by_label("Password", exact=True).fill("a long walk by the river")
    await late.page.get_by_role("button", name="Set password and go on").click()

    await expect(late.page.get_by_text("This link was used already")).to_be_visible()


async def test_the_link_that_the_demo_prints_leads_to_the_rooms(server: Server, invite: Invite) -> None:
    operator = await invite("operator")

    await operator.opens(server.first_run_link)
    await operator.sets_up("operator@example.org")
    await operator.goes_to("Settings")

    await expect(operator.page.get_by_role("heading", name="Preview")).to_be_visible()
    await expect(operator.page.frame_locator("iframe").get_by_role("heading", name="Studio Tenuto")).to_be_visible()
