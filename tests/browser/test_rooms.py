"""The operator's rooms in a browser: on a phone and on a desk, light and dark, with the keyboard, and axe."""

import re
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Invite
from tests.browser.hosting import Host
from tests.browser.people import VIEWS, Visitor, is_sound
from tests.browser.serving import BERLIN, LESSON, YOGA, Server, Studio

pytestmark = pytest.mark.anyio

GAIN_S = 4
WATCH_THE_TIME = """() => {
    const timer = document.querySelector('[role=timer]');
    const seconds = () => timer.textContent.split(':').reduce((all, part) => all * 60 + Number(part), 0);
    window.times = [seconds()];
    const changes = {childList: true, characterData: true, subtree: true};
    new MutationObserver(() => window.times.push(seconds())).observe(timer, changes);
}"""
"""Every time that the countdown shows from now on: what it shows when somebody comes to look tells only how slow they
are."""


async def hired(invite: Invite, server: Server, studio: Studio, **wishes: Any) -> Visitor:
    operator = await invite("operator", **wishes)
    await operator.opens(await server.first_run_link_of(studio))
    await operator.sets_up(f"operator-{studio.key}@example.org")
    return operator


async def test_bookings_and_who_comes(server: Server, studio: Studio, host: Host, invite: Invite) -> None:
    operator = await hired(invite, server, studio, width=VIEWS[0][0])
    page = operator.page
    await is_sound(page, "nothing today")
    for room, empty in (("Bookings", "No bookings yet."), ("Attendees", "Nobody in these days.")):
        await operator.goes_to(room)
        await expect(page.get_by_text(empty)).to_be_visible()
        await is_sound(page, f"no {room}")

    visitor = await invite("visitor")
    await visitor.opens(host.page(studio, f'<tenuto-booking site="{studio.key}" service="yoga"></tenuto-booking>'))
    await visitor.holds(studio.slot(YOGA), seats=2)
    await visitor.confirms("Anna Ek")
    await visitor.is_booked()

    await operator.goes_to("Attendees")
    await is_sound(page, "attendees")
    await operator.goes_to("Today")
    await is_sound(page, "today")
    await operator.goes_to("Bookings")
    await page.get_by_text("Filter and sort").click()
    await is_sound(page, "bookings")
    await page.locator(".when a").click()
    await expect(page.get_by_role("heading", name="Yoga")).to_be_visible()
    await is_sound(page, "meeting")
    await page.get_by_role("link", name="Anna Ek").click()
    await expect(page.get_by_role("heading", name="Order")).to_be_visible()
    await page.get_by_text("Cancel this booking").click()
    await is_sound(page, "really cancel?")
    await page.get_by_role("button", name="Yes, cancel it").click()
    await expect(page.get_by_text("The seats are free again")).to_be_visible()
    await is_sound(page, "cancelled")


async def test_a_booking_is_found_and_cancelled_with_the_keyboard_and_widgets_see_it(
    server: Server, studio: Studio, host: Host, invite: Invite
) -> None:
    slot = studio.slot(LESSON)
    anna, ben = await invite("anna"), await invite("ben")
    for visitor in (anna, ben):
        await visitor.opens(
            host.page(studio, f'<tenuto-booking site="{studio.key}" service="lesson"></tenuto-booking>')
        )
    await anna.holds(slot)
    await anna.confirms()
    await anna.is_booked()
    await ben.looks_at(slot)
    await expect(ben.status(slot)).to_have_text("full")
    operator = await hired(invite, server, studio)
    page = operator.page
    await operator.goes_to("Bookings")

    await page.get_by_role("searchbox").focus()
    await page.keyboard.type("anna ek")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**text=anna+ek**")
    await page.get_by_role("link", name="Anna Ek").focus()
    await page.keyboard.press("Enter")
    await page.get_by_text("Cancel this booking").focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await expect(page.get_by_label("Your message")).to_be_focused()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")

    await expect(page.get_by_text("The seats are free again")).to_be_visible()
    await expect(ben.status(slot)).to_have_text("free")


async def test_booking_by_phone(server: Server, studio: Studio, invite: Invite) -> None:
    slot = studio.slot(YOGA)
    operator = await hired(invite, server, studio, width=VIEWS[0][0])
    operator.expects("422")
    page = operator.page
    await operator.goes_to("Bookings")
    await page.get_by_role("link", name="Book by phone").click()
    await page.get_by_label("Service").select_option("yoga")
    await page.get_by_label("Day").fill(slot.starts_at.astimezone(BERLIN).date().isoformat())
    await page.get_by_role("button", name="Show times").click()
    await expect(page.get_by_text("12 seats left").first).to_be_visible()
    await is_sound(page, "what is free")

    await page.get_by_label("Seats", exact=True).fill("2")
    await page.get_by_label("Who comes").fill("Anna Ek\nKim")
    await page.get_by_role("button", name="Book", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("Choose a time.")
    await is_sound(page, "something is missing")
    await page.get_by_role("radio").first.focus()
    await page.keyboard.press("Space")
    await page.get_by_label("Name", exact=True).fill("Anna Ek")
    await page.keyboard.press("Enter")

    await expect(page.get_by_text("Read the number out")).to_be_visible()
    await expect(page.get_by_text("Anna Ek, Kim")).to_be_visible()
    await is_sound(page, "booked")
    link = await page.locator("#order-link").inner_text()
    customer = await invite("customer")
    await customer.opens(link)
    await expect(customer.page.get_by_text("Confirmed", exact=True)).to_be_visible()


async def test_holds_come_and_go_before_the_eyes_of_the_operator(
    server: Server, studio: Studio, host: Host, invite: Invite
) -> None:
    operator = await hired(invite, server, studio, width=VIEWS[0][0])
    page = operator.page
    await operator.goes_to("Live")
    await expect(page.get_by_text("Nobody is booking just now.")).to_be_visible()
    await is_sound(page, "nobody")

    anna = await holding(invite, studio, host, "anna", seats=2)
    await expect(page.get_by_text("2 seats")).to_be_visible()
    await expect(page.locator(".left")).to_have_text(re.compile(r"10:00|9:\d\d"))
    await is_sound(page, "a hold")
    await page.get_by_text("Give back", exact=True).click()
    await is_sound(page, "really?")
    await page.get_by_role("link", name="Book for them").click()
    await is_sound(page, "for whom")
    await operator.goes_to("Live")

    await anna.button("Back").click()
    await expect(page.get_by_text("Nobody is booking just now.")).to_be_visible()


async def test_reliability_and_the_audit_log(server: Server, studio: Studio, invite: Invite) -> None:
    operator = await hired(invite, server, studio, width=VIEWS[0][0])
    await operator.goes_to("Audit log")
    await expect(operator.page.get_by_text("Nothing yet.")).to_be_visible()
    await is_sound(operator.page, "an empty log")
    await operator.goes_to("Settings")
    await operator.page.get_by_label("Length of a hold").fill("7")
    await operator.page.get_by_role("button", name="Save settings").click()
    await expect(operator.page.get_by_text("Saved.")).to_be_visible()

    await operator.goes_to("Audit log")
    await expect(operator.page.get_by_text("minutes of a hold: 10")).to_be_visible()
    await is_sound(operator.page, "an entry")
    await operator.goes_to("Reliability")
    await expect(operator.page.get_by_text("Oversold", exact=True)).to_be_visible()
    await is_sound(operator.page, "reliability")


async def test_a_visitor_sees_at_once_that_the_operator_took_their_seats_back(
    server: Server, studio: Studio, host: Host, invite: Invite
) -> None:
    """Ben holds seats of the same class, so that more are held than Anna's also afterwards."""
    anna = await holding(invite, studio, host, "anna", seats=2)
    ben = await holding(invite, studio, host, "ben", seats=3)
    await anna.name.fill("Anna Ek")
    operator = await hired(invite, server, studio)
    await operator.goes_to("Live")

    row = operator.page.locator("li", has_text="2 seats")
    await row.get_by_text("Give back", exact=True).click()
    await row.get_by_role("button", name="Yes, give back").click()

    await expect(operator.page.get_by_text("Given back.")).to_be_visible()
    await expect(anna.told("Your seats were given back.")).to_be_visible()
    await expect(ben.countdown).to_be_visible()
    await anna.button("Hold again").click()
    await expect(anna.countdown).to_be_visible()
    assert await anna.name.input_value() == "Anna Ek"


async def test_a_visitor_sees_at_once_that_the_operator_gave_them_more_time(
    server: Server, studio: Studio, host: Host, invite: Invite
) -> None:
    operator = await hired(invite, server, studio)
    await operator.goes_to("Live")
    anna = await holding(invite, studio, host, "anna", seats=2)
    frame = await anna.frame()
    await frame.evaluate(WATCH_THE_TIME)
    await frame.wait_for_function("least => window.times[0] - window.times.at(-1) >= least", arg=GAIN_S)

    await operator.page.get_by_role("button", name="Extend").click()

    await expect(operator.page.get_by_text("Extended.")).to_be_visible()
    await frame.wait_for_function("least => window.times.some((now, n, all) => now - all[n - 1] >= least)", arg=GAIN_S)
    await expect(anna.said).to_contain_text("held for another")


async def test_a_visitor_sees_at_once_that_the_operator_has_booked_for_them(
    server: Server, studio: Studio, host: Host, invite: Invite
) -> None:
    anna = await holding(invite, studio, host, "anna", seats=2)
    operator = await hired(invite, server, studio)
    page = operator.page
    await operator.goes_to("Live")

    await page.get_by_role("link", name="Book for them").click()
    await page.get_by_label("Name", exact=True).fill("Anna Ek")
    await page.get_by_role("button", name="Book", exact=True).click()

    await expect(page.get_by_text("Read the number out")).to_be_visible()
    await expect(anna.told("Your seats are booked.")).to_be_visible()


async def test_what_the_operator_is_doing_in_the_list_is_left_alone_by_news(
    server: Server, studio: Studio, host: Host, invite: Invite
) -> None:
    await holding(invite, studio, host, "anna", seats=2)
    operator = await hired(invite, server, studio)
    page = operator.page
    await operator.goes_to("Live")
    await page.get_by_text("Give back", exact=True).click()
    await page.get_by_role("button", name="Yes, give back").focus()

    await holding(invite, studio, host, "ben", seats=3)

    await expect(page.get_by_text("3 seats")).to_be_visible()
    await expect(page.get_by_role("button", name="Yes, give back")).to_be_focused()


async def holding(invite: Invite, studio: Studio, host: Host, name: str, *, seats: int) -> Visitor:
    visitor = await invite(name)
    await visitor.opens(host.page(studio, f'<tenuto-booking site="{studio.key}" service="yoga"></tenuto-booking>'))
    await visitor.holds(studio.slot(YOGA), seats=seats)
    return visitor
