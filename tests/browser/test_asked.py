"""An operator closes a day that somebody has booked, and asks them for another time: one click on the order page."""

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Invite
from tests.browser.hosting import Host
from tests.browser.people import is_sound
from tests.browser.serving import YOGA, Server
from tests.browser.test_schedule_pages import PHONE, arrive, in_two_days, room

pytestmark = pytest.mark.anyio

MESSAGE = "The heating is being repaired.\nSorry, and see you soon!"


async def test_who_is_asked_for_another_time_takes_one_with_one_click(
    server: Server, host: Host, invite: Invite
) -> None:
    operator = await invite("operator", width=PHONE)
    anna = await invite("anna", width=PHONE)
    operator.expects("422")
    studio = await server.open_studio(YOGA, origins=[host.origin])
    await arrive(server, studio, operator)
    await anna.opens(host.page(studio))
    await anna.holds(studio.slot(YOGA))
    await anna.confirms()
    await anna.is_booked()
    order, page = await anna.opens_order_page(), operator.page
    await expect(order.get_by_text("Confirmed", exact=True)).to_be_visible()

    await page.goto(room(studio, "blackouts/new"))
    await page.get_by_label("First day").fill(str(in_two_days().date()))
    await page.get_by_role("button", name="Save blackout").click()
    await page.get_by_label("Ask them to move").check()
    await page.get_by_label("Your message to them").fill(MESSAGE)
    await is_sound(page, "blackout")
    await page.get_by_role("button", name="Save blackout").click()
    await expect(page.get_by_text("Saved.")).to_be_visible()
    await page.goto(room(studio, "bookings"))
    await expect(page.get_by_text("waiting for the customer")).to_be_visible()
    await is_sound(page, "bookings")

    await expect(order.get_by_text("The heating is being repaired.")).to_be_visible()  # by itself
    await expect(order.locator(".asked-time")).to_have_count(3)
    await is_sound(order, "asked")
    await order.get_by_role("button", name="Cancel instead").click()
    await expect(order.get_by_role("button", name="Keep it")).to_be_focused()
    await order.get_by_role("button", name="Keep it").click()
    await order.locator(".asked-time").first.click()

    await expect(order.get_by_text("Your booking has been moved.")).to_be_visible()
    await expect(order.locator(".asked")).to_have_count(0)
    await page.get_by_role("link", name="Anna Ek").click()
    await expect(page.get_by_text("The heating is being repaired.")).to_be_visible()
    await expect(page.get_by_text("waiting for the customer")).to_be_hidden()
    await is_sound(page, "order")

    await page.get_by_text("Cancel this booking").click()
    await page.get_by_role("button", name="Yes, cancel it").click()
    await expect(order.get_by_text("This booking is cancelled.")).to_be_visible()  # by itself as well
    async with order.expect_download() as downloading:
        await order.get_by_role("button", name="Take out of calendar").click()
    assert "STATUS:CANCELLED" in (await (await downloading.value).path()).read_text("utf-8")
    await is_sound(order, "cancelled")
