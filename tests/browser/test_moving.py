"""Moving a booking to another time on the order page."""

import re

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import Invite
from tests.browser.hosting import Host
from tests.browser.people import Visitor, barriers, overflow
from tests.browser.serving import BERLIN, LESSON, YOGA, Offer, Studio
from widget_server.domain.slots import Slot

pytestmark = pytest.mark.anyio


def page_of(host: Host, studio: Studio, offer: Offer) -> str:
    return host.page(studio, f'<tenuto-booking site="{studio.key}" service="{offer.key}"></tenuto-booking>')


async def books(visitor: Visitor, slot: Slot, seats: int = 1) -> Page:
    """The order page."""
    await visitor.holds(slot, seats=seats)
    await visitor.confirms()
    await visitor.is_booked()
    return await visitor.opens_order_page()


def time_of(order: Page, slot: Slot) -> Locator:
    return order.locator(f'.moving .slot[data-slot="{slot.id}"]')


async def chooses(order: Page, slot: Slot) -> None:
    await order.get_by_role("button", name="Move to another time").click()
    await order.get_by_label("Day", exact=True).select_option(str(slot.starts_at.astimezone(BERLIN).date()))
    await time_of(order, slot).click()


async def test_a_booking_moves_and_everybody_sees_both_times_move(studio: Studio, host: Host, invite: Invite) -> None:
    anna, ben = await invite("anna"), await invite("ben")
    early, late = studio.slot(YOGA), studio.slot(YOGA, 1)
    for visitor in (anna, ben):
        await visitor.opens(page_of(host, studio, YOGA))
    order = await books(anna, early, seats=2)
    await ben.looks_at(early)
    await expect(ben.status(early)).to_have_text("10 left")

    await chooses(order, late)
    await order.get_by_role("button", name="Move booking").click()

    await expect(order.get_by_text("Your booking has been moved.")).to_be_visible()
    await expect(order.get_by_role("heading", name="Your booking")).to_be_focused()
    await expect(order.locator(".ticket-time")).to_contain_text("11:00")
    await expect(ben.status(early)).to_have_text("12 left")
    await expect(ben.status(late)).to_have_text("10 left")
    await order.reload()
    await expect(order.locator(".ticket-time")).to_contain_text("11:00")


async def test_a_time_that_somebody_else_was_faster_to_book_leaves_the_booking_as_it_is(
    studio: Studio, host: Host, invite: Invite
) -> None:
    anna, ben = await invite("anna"), await invite("ben")
    for visitor in (anna, ben):
        await visitor.opens(page_of(host, studio, LESSON))
    order = await books(anna, studio.slot(LESSON))
    anna.expects("409")
    await chooses(order, studio.slot(LESSON, 1))
    await ben.holds(studio.slot(LESSON, 1))

    await order.get_by_role("button", name="Move booking").click()

    await expect(order.get_by_role("alert").get_by_text("This time has just been taken.")).to_be_visible()
    await expect(time_of(order, studio.slot(LESSON, 1))).to_be_hidden()
    await expect(order.locator(".ticket-time")).to_contain_text("10:00")
    await order.get_by_role("button", name="Keep it as it is").click()
    await order.get_by_role("button", name="Cancel booking").click()
    await order.get_by_role("button", name="Yes, cancel it").click()
    await expect(order.get_by_text("This booking is cancelled.")).to_be_visible()
    await expect(order.get_by_role("button", name="Move to another time")).to_be_hidden()


async def test_it_is_done_with_the_keyboard_alone(studio: Studio, host: Host, invite: Invite) -> None:
    anna = await invite("anna")
    await anna.opens(page_of(host, studio, YOGA))
    order = await books(anna, studio.slot(YOGA))

    await order.get_by_role("button", name="Move to another time").focus()
    await order.keyboard.press("Enter")
    await expect(order.get_by_role("heading", name="Choose another time")).to_be_focused()
    await expect(order.get_by_label("Day", exact=True)).to_be_visible()
    await order.get_by_role("button", name="Move booking").press("Enter")
    await expect(order.get_by_text("Please choose a time first.")).to_be_visible()
    await order.get_by_label("Day", exact=True).focus()
    await order.keyboard.press("Tab")
    await order.keyboard.press("Space")
    await expect(order.get_by_text("Please choose a time first.")).to_be_hidden()
    await order.get_by_role("button", name="Keep it as it is").press("Enter")
    await expect(order.get_by_role("button", name="Move to another time")).to_be_focused()


async def test_it_fits_a_telephone_and_axe_has_nothing_to_complain_of(
    studio: Studio, host: Host, invite: Invite
) -> None:
    anna = await invite("anna", width=360, locale="de-DE")
    await anna.opens(page_of(host, studio, YOGA))
    await anna.holds(studio.slot(YOGA))
    link = await order_link(anna)
    order = await anna.context.new_page()
    await order.goto(re.sub(r"(\?.*)?#", "?lang=de#", link))
    await order.get_by_role("button", name="Auf einen anderen Termin verschieben").click()
    await expect(order.get_by_label("Tag", exact=True)).to_be_visible()
    await order.locator(".moving .slot").first.click()

    assert await barriers(order) == []
    assert await overflow(order) <= 0
    await order.get_by_role("button", name="Spätere Tage").click()
    await expect(order.get_by_label("Tag", exact=True)).to_be_focused()
    await expect(order.locator(".moving .slot").first).to_contain_text(re.compile("10:00"))


async def order_link(visitor: Visitor) -> str:
    await visitor.confirms()
    await visitor.is_booked()
    link = await visitor.widget.get_by_role("link", name="Open order page").get_attribute("href")
    assert link is not None
    return link
