"""The order page: the way back to a booking, and out of it."""

import re

import pytest
from playwright.async_api import FrameLocator, Page, Route, expect

from tests.browser.conftest import Invite
from tests.browser.hosting import Host
from tests.browser.people import Visitor
from tests.browser.serving import LESSON, YOGA, Studio

pytestmark = pytest.mark.anyio


@pytest.fixture
async def anna(invite: Invite, studio: Studio, host: Host) -> Visitor:
    """She has booked two seats of yoga."""
    anna = await invite("anna")
    for told in (f"**/w/{studio.key}?**", f"**/v1/sites/{studio.key}/services"):
        await anna.page.route(told, with_a_mail_server)
    await anna.opens(host.page(studio, f'<tenuto-booking site="{studio.key}" service="yoga"></tenuto-booking>'))
    await anna.holds(studio.slot(YOGA), seats=2)
    await anna.widget.get_by_text("Who is coming?").click()
    await anna.widget.get_by_label("Seat 1").fill("Anna")
    await anna.widget.get_by_label("Seat 2").fill("Ben")
    await anna.widget.get_by_label("E-mail").fill("anna@example.org")
    await anna.confirms()
    await anna.is_booked()
    return anna


async def with_a_mail_server(route: Route) -> None:
    """In the page, and where the widget reads of it anew: it may hear late that the schedule is there."""
    answer = await route.fetch()
    await route.fulfill(response=answer, body=re.sub(r'"mails": ?false', '"mails":true', await answer.text()))


async def saves_calendar_file(page: Page, shown: Page | FrameLocator) -> None:
    async with page.expect_download() as downloading:
        await shown.get_by_role("button", name="Add to calendar").click()
    file = await downloading.value
    assert file.suggested_filename == "booking.ics"
    assert "BEGIN:VEVENT" in (await file.path()).read_text("utf-8")


async def cancels(order: Page) -> None:
    """With a hand that clicks twice: that answers no question that has not been read."""
    await order.get_by_role("button", name="Cancel booking").dblclick()
    await order.get_by_role("button", name="Yes, cancel it").click()
    await expect(order.get_by_text("This booking is cancelled.")).to_be_visible()


async def test_the_widget_says_that_a_mail_is_on_its_way_and_the_order_page_shows_the_order(
    anna: Visitor, studio: Studio, host: Host, invite: Invite
) -> None:
    await expect(anna.told("A mail with all of it is on its way to anna@example.org.")).to_be_visible()
    await saves_calendar_file(anna.page, anna.widget)
    number = await anna.widget.locator(".done-number strong").inner_text()

    order = await anna.opens_order_page()

    await expect(order.get_by_role("heading", name="Your booking")).to_be_visible()
    for told in (
        number,
        "Yoga",
        "2 seats",
        "10:00",
        "Elm Street 12",
        "Anna Ek, anna@example.org",
        "Anna, Ben",
        "Confirmed",
    ):
        await expect(order.get_by_role("main")).to_contain_text(told)
    await saves_calendar_file(order, order)
    assert "#" not in order.url, "nobody copies the secret with the address"
    await order.reload()
    await expect(order.get_by_text("Confirmed", exact=True)).to_be_visible()

    cleo = await invite("cleo")
    await cleo.opens(host.page(studio, f'<tenuto-booking site="{studio.key}" service="yoga"></tenuto-booking>'))
    await cleo.holds(studio.slot(YOGA))
    await expect(cleo.widget.get_by_text("Others who come to this time see your first name.")).to_be_visible()
    await cleo.confirms("Cleo Oak")
    await cleo.is_booked()

    await expect(order.get_by_role("main")).to_contain_text("Anna, Ben, Cleo")  # by itself


async def test_cancelling_asks_first_and_frees_the_seats_for_everybody(
    anna: Visitor, studio: Studio, host: Host, invite: Invite
) -> None:
    ben, slot = await invite("ben"), studio.slot(YOGA)
    await ben.opens(host.page(studio, f'<tenuto-booking site="{studio.key}" service="yoga"></tenuto-booking>'))
    await ben.looks_at(slot)
    await expect(ben.status(slot)).to_have_text("10 left")
    order = await anna.opens_order_page()

    await order.get_by_role("button", name="Cancel booking").click()
    await expect(order.get_by_role("button", name="Keep it")).to_be_focused()
    await order.get_by_role("button", name="Keep it").click()
    await expect(order.get_by_text("Confirmed", exact=True)).to_be_visible()
    await expect(ben.status(slot)).to_have_text("10 left")

    await cancels(order)

    await expect(ben.status(slot)).to_have_text("12 left")
    await order.reload()
    await expect(order.get_by_text("This booking is cancelled.")).to_be_visible()
    await expect(order.get_by_role("button", name="Cancel booking")).to_be_hidden()


async def test_a_cancelled_last_seat_can_be_held_by_somebody_else(studio: Studio, host: Host, invite: Invite) -> None:
    anna, ben, slot = await invite("anna"), await invite("ben"), studio.slot(LESSON)
    for visitor in (anna, ben):
        await visitor.opens(
            host.page(studio, f'<tenuto-booking site="{studio.key}" service="lesson"></tenuto-booking>')
        )
        await visitor.looks_at(slot)
    await anna.holds(slot)
    await anna.confirms()
    await anna.is_booked()
    await expect(ben.status(slot)).to_have_text("full")

    await cancels(await anna.opens_order_page())

    await expect(ben.status(slot)).to_have_text("free")
    await ben.holds(slot)


async def test_no_other_site_may_frame_it_and_a_link_with_a_wrong_or_no_secret_shows_nothing(anna: Visitor) -> None:
    link = await anna.widget.get_by_role("link", name="Open order page").get_attribute("href")
    assert link is not None
    address = link.split("#")[0]
    order = await anna.context.new_page()

    answer = await order.goto(address)
    assert answer is not None
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    await expect(order.get_by_text("This link is not complete.")).to_be_visible()
    await order.goto("about:blank")
    await order.goto(f"{address}#{'x' * 22}")
    await expect(order.get_by_text("This link does not fit any order.")).to_be_visible()

    await expect(order.get_by_role("main")).not_to_contain_text(re.compile("Anna|Yoga"))
