"""The widget as a page of its own, on a phone: what a host page would do for it, it does itself."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Invite
from tests.browser.people import BOOKED, sees_times
from tests.browser.serving import Server, Studio

pytestmark = pytest.mark.anyio


async def test_free_times_are_in_sight_at_once_and_a_reload_finds_the_hold_and_what_was_typed(
    server: Server, studio: Studio, invite: Invite
) -> None:
    anna = await invite("anna", width=390)
    page = anna.page
    await page.set_viewport_size({"width": 390, "height": 600})
    await page.goto(f"{server.url}/w/{studio.key}")
    await page.get_by_role("button", name="Yoga").click()

    await expect(page.get_by_role("heading", name="Yoga")).to_be_focused()
    await sees_times(page)
    await expect(page.locator(".slot").first).to_be_in_viewport(ratio=1)
    await page.locator(".slot-pick").first.click()
    await page.get_by_role("button", name="One seat more").locator("visible=true").click()
    await page.get_by_role("button", name="Continue").click()
    await page.get_by_role("button", name="Back", exact=True).first.click()
    await expect(page.locator(".stepper-number:visible")).to_have_text("2 seats")
    await page.get_by_role("button", name="One seat less").locator("visible=true").click()
    await page.get_by_role("button", name="Continue").click()
    await page.get_by_label("Your name").fill("Anna Ek")
    await page.get_by_label("E-mail").fill("anna@")
    await page.reload()
    await expect(page.get_by_role("timer", name="Time left to book")).to_be_visible()
    await expect(page.get_by_label("Your name")).to_have_value("Anna Ek")
    await expect(page.get_by_label("E-mail")).to_have_value("anna@")

    await page.get_by_label("E-mail").fill("")
    await page.get_by_role("button", name="Confirm booking").click()
    await expect(page.get_by_role("heading", name=BOOKED)).to_be_visible()
    state = await page.evaluate("history.state.tenuto")
    assert (state["hold"], state.get("typed")) == (None, None)
    await page.reload()
    await expect(page).to_have_url(re.compile(f"/o/{studio.key}/"))
    await expect(page.get_by_role("heading", name="Your booking")).to_be_visible()
