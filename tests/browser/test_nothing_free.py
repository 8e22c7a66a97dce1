"""A day, a month or a service with nothing to book: it says why, and leads to the next day that has something."""

import re
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from playwright.async_api import Locator, Route, expect

from tests.browser.conftest import Invite
from tests.browser.hosting import Host
from tests.browser.people import VIEWS, Visitor, is_sound_within
from tests.browser.serving import BERLIN, LESSON, YOGA, Offer, Server, Studio
from widget_server.domain.blackouts import Blackout

pytestmark = pytest.mark.anyio

_A_MINUTE_LATER = """() => {
    const now = performance.now.bind(performance);
    performance.now = () => now() + 60_000;
}"""

ONCE = replace(LESSON, slots_a_day=1)
"""One lesson a day, for one person."""

LISTEN = """() => {
    const region = document.querySelector('.unseen[aria-live]');
    window.heard = [];
    new MutationObserver(() => window.heard.push(region.textContent)).observe(region, {childList: true});
}"""
HEARD = "sentence => window.heard.some((told) => told.includes(sentence))"


def in_days(count: int) -> date:
    return datetime.now(BERLIN).date() + timedelta(days=count)


def in_months(count: int) -> date:
    """The tenth of a month from now on."""
    today = datetime.now(BERLIN).date()
    month = today.month - 1 + count
    return date(today.year + month // 12, month % 12 + 1, 10)


def page_of(host: Host, studio: Studio, service: str = "lesson") -> str:
    return host.page(studio, f'<tenuto-booking site="{studio.key}" service="{service}"></tenuto-booking>')


def cell(visitor: Visitor, day: date) -> Locator:
    return visitor.widget.locator(f'.day[data-day="{day}"]')


async def turns_to(visitor: Visitor, day: date) -> None:
    """To the month of this day, with its days known."""
    month = visitor.widget.get_by_role("heading", name=f"{day:%B %Y}")
    while not await month.count():
        await visitor.button("Next month").click()
    await expect(visitor.widget.get_by_role("rowgroup").last).to_have_attribute("aria-busy", "false")


async def picks(visitor: Visitor, day: date) -> None:
    await expect(visitor.widget.locator(".day").first).to_be_visible()
    await turns_to(visitor, day)
    await cell(visitor, day).click()


def next_free(visitor: Visitor, day: date, how: str = "Next free") -> Locator:
    if day.year == datetime.now(BERLIN).year:
        return visitor.button(f"{how}: {day:%a} {day.day} {day:%B}")
    return visitor.button(f"{how}: {day:%a}, {day.day} {day:%B} {day.year}")


async def test_a_day_without_anything_says_why_and_leads_to_the_next_that_has_something(
    server: Server, host: Host, invite: Invite
) -> None:
    soon, later = in_days(2), in_months(2)
    studio = await server.open_studio(replace(LESSON, days=(soon, later)), origins=[host.origin])
    anna = await invite("anna", width=VIEWS[0][0])
    await anna.opens(page_of(host, studio))
    await anna.looks_at(studio.slot(LESSON))
    frame = await anna.frame()
    await frame.evaluate(LISTEN)
    await picks(anna, soon + timedelta(days=1))

    await expect(anna.told("Nothing is offered on this day.")).to_be_visible()
    await frame.wait_for_function(HEARD, arg="Nothing is offered on this day.")
    await frame.wait_for_function(HEARD, arg="Next free")
    await is_sound_within(anna, "nothing on this day")
    await next_free(anna, later).click()

    await expect(anna.widget.get_by_role("heading", name=f"{later:%B %Y}")).to_be_visible()
    await expect(anna.widget.get_by_role("heading", name=f"{later:%A} {later.day} {later:%B}")).to_be_focused()
    await expect(cell(anna, later).locator("..")).to_have_attribute("aria-selected", "true")
    await expect(anna.row(studio.slot(LESSON, day=later))).to_be_visible()
    await expect(anna.said).to_contain_text("2 times")
    await is_sound_within(anna, "the next day that has something")


async def test_after_the_last_day_that_has_something_the_way_leads_back(
    server: Server, host: Host, invite: Invite
) -> None:
    soon = in_days(2)
    studio = await server.open_studio(replace(LESSON, days=(soon,)), origins=[host.origin])
    anna = await invite("anna")
    await anna.opens(page_of(host, studio))
    await picks(anna, in_months(1))

    await next_free(anna, soon, "Earliest free").click()

    await expect(anna.row(studio.slot(LESSON))).to_be_visible()


async def test_a_month_without_anything_leads_to_the_next_one_that_has_something(
    server: Server, host: Host, invite: Invite
) -> None:
    later = in_months(3)
    studio = await server.open_studio(replace(LESSON, days=(later,)), origins=[host.origin])
    anna = await invite("anna", width=VIEWS[0][0])
    await anna.opens(page_of(host, studio))

    await expect(anna.told("Nothing is offered in")).to_be_visible()
    await expect(anna.said).to_contain_text("Next free")
    await is_sound_within(anna, "nothing in this month")
    await cell(anna, in_days(0)).click()
    await expect(anna.widget.locator(".day-panel .next-free button")).to_be_visible()
    await anna.button("Next month").click()
    await expect(anna.widget.locator(".month-note .next-free button")).to_be_visible()
    await next_free(anna, later).press("Enter")

    await expect(anna.row(studio.slot(LESSON, day=later))).to_be_visible()
    await expect(anna.widget.get_by_role("heading", name=f"{later:%A} {later.day} {later:%B}")).to_be_focused()


async def test_a_day_that_fills_says_so_at_once_and_no_more_when_a_seat_is_free_again(
    server: Server, host: Host, invite: Invite
) -> None:
    soon, later = in_days(2), in_days(3)
    studio = await server.open_studio(replace(ONCE, days=(soon, later)), origins=[host.origin])
    anna, ben = await invite("anna"), await invite("ben")
    slot = studio.slot(ONCE)
    for visitor in (anna, ben):
        await visitor.opens(page_of(host, studio))
        await visitor.looks_at(slot)
    await expect(anna.told("Everything on this day")).to_be_hidden()

    await ben.holds(slot)
    await expect(anna.told("Everything on this day is held by others just now.")).to_be_visible()
    await expect(anna.said).to_contain_text("is held by others just now")
    await expect(cell(anna, soon)).to_have_accessible_name(re.compile("held just now, may free up"))
    await next_free(anna, later).focus()

    await ben.button("Back").click()
    await expect(anna.told("Everything on this day")).to_be_hidden()
    await expect(anna.widget.get_by_role("heading", name=f"{soon:%A} {soon.day} {soon:%B}")).to_be_focused()
    await expect(anna.said).to_contain_text("1 time")

    await ben.holds(slot)
    await ben.confirms()
    await ben.is_booked()
    await expect(anna.told("Everything on this day is full.")).to_be_visible()
    await expect(cell(anna, soon)).to_have_accessible_name(re.compile("full"))
    await next_free(anna, later).click()
    await expect(anna.row(studio.slot(ONCE, day=later))).to_be_visible()


async def test_a_service_without_any_times_says_so_kindly_until_it_has_some(
    server: Server, host: Host, invite: Invite
) -> None:
    studio = await server.open_studio(replace(LESSON, days=()), origins=[host.origin])
    anna = await invite("anna", width=VIEWS[0][0])
    await anna.opens(page_of(host, studio))

    await expect(anna.told("There are no times to book at the moment.")).to_be_visible()
    await expect(anna.widget.locator(".next-free")).to_be_hidden()
    await is_sound_within(anna, "no times at all")
    await turns_to(anna, in_days(2))

    await server.offer(studio, replace(LESSON, days=(in_days(2),)))
    await expect(cell(anna, in_days(2))).to_have_accessible_name(re.compile("times free"))
    await expect(anna.told("There are no times to book at the moment.")).to_be_hidden()


async def test_what_starts_too_soon_or_is_too_far_ahead_or_closed_is_grey_and_says_so(
    server: Server, host: Host, invite: Invite
) -> None:
    # The day after the horizon is in the same month, as the calendar cannot be turned to one beyond it.
    horizon_days = 33 if in_days(34).day > 1 else 34
    bounded = replace(LESSON, notice_min=36 * 60, horizon_days=horizon_days)
    studio = await server.open_studio(bounded, origins=[host.origin])
    dark, far = in_days(5), in_days(horizon_days + 1)
    await server.black_out(studio, Blackout(dark, dark, reason="A secret party"))
    anna = await invite("anna")
    await anna.opens(page_of(host, studio))

    for day, name, sentence in (
        (in_days(1), "too soon to book", "What is left of this day starts too soon to be booked."),
        (dark, "closed", "Nothing can be booked on this day."),
        (far, "not bookable yet", f"This day can be booked from {in_days(1):%A} {in_days(1).day} {in_days(1):%B} on."),
    ):
        await picks(anna, day)
        await expect(cell(anna, day)).to_have_accessible_name(re.compile(f", {name}$"))
        await expect(anna.told(sentence)).to_be_visible()
        await expect(anna.widget.locator(".slot")).to_have_count(0)
    await expect(anna.button("Next month")).to_be_disabled()
    await expect(anna.widget.get_by_text("secret")).to_have_count(0)


async def test_a_search_that_fails_can_be_tried_again(server: Server, host: Host, invite: Invite) -> None:
    later = in_months(2)
    studio = await server.open_studio(replace(LESSON, days=(later,)), origins=[host.origin])
    anna = await invite("anna")

    async def fail(route: Route) -> None:
        await route.fulfill(status=500, json={"error": {"code": "failed", "message": "Something went wrong."}})

    await anna.page.route("**/next?*", fail)
    anna.expects("500")
    await anna.opens(page_of(host, studio))
    await expect(anna.widget.locator(".next-free")).to_contain_text("The next free day could not be found just now.")

    await anna.page.unroute("**/next?*")
    await anna.button("Try again").click()
    await expect(next_free(anna, later)).to_be_visible()


async def test_a_service_that_is_withdrawn_says_so_and_leads_to_the_others(
    server: Server, host: Host, invite: Invite
) -> None:
    studio = await server.open_studio(LESSON, YOGA, origins=[host.origin])
    anna, ben = await invite("anna"), await invite("ben")
    await anna.opens(page_of(host, studio))
    await anna.looks_at(studio.slot(LESSON))

    await server.offer(studio, replace(LESSON, is_offered=False))
    await expect(anna.told("This is not offered any more.")).to_be_visible()
    await ben.opens(page_of(host, studio))
    await expect(ben.told("This is not offered any more.")).to_be_visible()
    await is_sound_within(ben, "withdrawn")
    await ben.button("Everything on offer").click()
    await expect(ben.widget.get_by_role("button", name="Lesson")).to_have_count(0)
    await (await ben.frame()).evaluate(_A_MINUTE_LATER)
    await server.change(studio, is_test=True)  # nobody tells a list that is open
    await ben.picks_service("Yoga")
    await expect(ben.widget.get_by_text("bookings are not real")).to_be_visible()
    await ben.looks_at(studio.slot(YOGA))

    await server.offer(studio, LESSON)
    await anna.looks_at(studio.slot(LESSON))


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles"])
async def test_reasons_and_next_days_are_those_of_the_visitors_own_calendar(
    server: Server, host: Host, invite: Invite, zone: str
) -> None:
    """At ten in Berlin it is late in the evening of Auckland's same day, and one in the night in Los Angeles."""
    # The next day is in the same month in either calendar, as the last step here turns no month back.
    soon, later = in_days(4), in_days(41 if in_days(42).day > 1 else 42)
    evening: Offer = replace(LESSON, days=(soon, later), starts=20)
    studio = await server.open_studio(evening, origins=[host.origin])
    there = {"Pacific/Auckland": 1, "America/Los_Angeles": 0}[zone]
    anna = await invite("anna", timezone_id=zone)
    await anna.opens(page_of(host, studio))

    for near in (-1, 1):
        day = soon + timedelta(days=there + near)
        await picks(anna, day)
        await expect(anna.told("Nothing is offered on this day.")).to_be_visible()
        found = soon if near < 0 else later
        await expect(next_free(anna, found + timedelta(days=there))).to_be_visible()
    await next_free(anna, later + timedelta(days=there)).click()
    await expect(anna.row(studio.slot(evening, day=later))).to_be_visible()

    await anna.widget.get_by_label("Times in").select_option("Europe/Berlin")
    await picks(anna, later)
    await expect(anna.row(studio.slot(evening, day=later))).to_be_visible()
