"""Two visitors and one last seat: what one does, the other sees at once, without reloading."""

import asyncio
import re

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.conftest import Invite
from tests.browser.hosting import Host
from tests.browser.people import Visitor
from tests.browser.serving import LESSON, YOGA, Studio

pytestmark = pytest.mark.anyio


@pytest.fixture
async def anna(invite: Invite, studio: Studio, host: Host) -> Visitor:
    return await opens_lessons(await invite("anna"), studio, host)


@pytest.fixture
async def ben(invite: Invite, studio: Studio, host: Host) -> Visitor:
    return await opens_lessons(await invite("ben"), studio, host)


async def opens_lessons(visitor: Visitor, studio: Studio, host: Host) -> Visitor:
    await visitor.opens(host.page(studio, f'<tenuto-booking site="{studio.key}" service="lesson"></tenuto-booking>'))
    await visitor.looks_at(studio.slot(LESSON))
    return visitor


def count_loads(page: Page) -> list[str]:
    loads: list[str] = []
    page.on("load", lambda _: loads.append(page.url))
    return loads


async def test_a_seat_that_anna_holds_is_seen_as_held_by_ben_until_she_goes_back(
    studio: Studio, anna: Visitor, ben: Visitor
) -> None:
    slot, reloads = studio.slot(LESSON), count_loads(ben.page)
    await expect(ben.status(slot)).to_have_text("free")

    await anna.holds(slot)

    await expect(ben.status(slot)).to_have_text(re.compile(r"held, may free up in (10:00|0?9:\d\d)"))
    await ben.row(slot).get_by_role("button").first.click(force=True)
    await expect(ben.row(slot).get_by_role("button", name="Continue")).to_be_hidden()

    await anna.button("Back").click()

    await expect(anna.said).to_have_text("Your seats were given back.")
    await expect(ben.status(slot)).to_have_text("free")
    await expect(anna.status(slot)).to_have_text("free")
    await ben.holds(slot)
    await expect(anna.status(slot)).to_have_text(re.compile("held"))
    assert reloads == []


async def test_a_seat_that_anna_books_is_full_for_ben(studio: Studio, anna: Visitor, ben: Visitor) -> None:
    slot = studio.slot(LESSON)
    await anna.holds(slot)
    await expect(ben.status(slot)).to_have_text(re.compile("held"))

    await anna.confirms()
    await anna.is_booked()

    await expect(ben.status(slot)).to_have_text("full")
    await expect(ben.row(slot).get_by_role("button").first).to_have_attribute("aria-disabled", "true")


async def test_the_seats_left_of_a_class_go_down_and_up(studio: Studio, host: Host, invite: Invite) -> None:
    slot = studio.slot(YOGA)
    page = host.page(studio, f'<tenuto-booking site="{studio.key}" service="yoga"></tenuto-booking>')
    anna, ben = await invite("anna"), await invite("ben")
    for visitor in (anna, ben):
        await visitor.opens(page)
        await visitor.looks_at(slot)

    await anna.holds(slot, seats=5)

    await expect(ben.status(slot)).to_have_text("7 left")
    await anna.button("Cancel and free my seats").click()
    await expect(ben.status(slot)).to_have_text("12 left")


async def test_a_slot_that_fills_while_ben_looks_at_it_says_so_and_keeps_what_he_typed(
    studio: Studio, anna: Visitor, ben: Visitor
) -> None:
    wanted, other = studio.slot(LESSON, 0), studio.slot(LESSON, 1)
    await ben.holds(other)
    await ben.name.fill("Ben Ost")
    await ben.button("Back").click()
    await ben.row(wanted).get_by_role("button").first.click()
    await ben.row(wanted).get_by_role("button", name="Continue").focus()

    await anna.holds(wanted)

    await expect(ben.row(wanted)).to_contain_text("Somebody was a moment faster")
    await expect(ben.row(wanted).get_by_role("button", name="Continue")).to_be_hidden()
    await expect(ben.row(wanted).get_by_role("button").first).to_be_focused()
    await ben.holds(other)
    await expect(ben.name).to_have_value("Ben Ost")


async def test_ben_who_hears_no_news_is_told_by_the_server_that_the_seat_is_taken(
    studio: Studio, host: Host, anna: Visitor, invite: Invite
) -> None:
    slot = studio.slot(LESSON)
    ben = await invite("ben")
    ben.expects("ERR_FAILED", "409")
    await ben.page.route("**/feed", lambda route: route.abort())
    await opens_lessons(ben, studio, host)
    await ben.chooses(slot)
    await anna.holds(slot)

    await ben.goes_on(slot)

    await expect(ben.row(slot)).to_contain_text(re.compile("has just been taken|moment faster"))
    await expect(ben.status(slot)).to_have_text(re.compile("held"))
    await expect(ben.countdown).to_be_hidden()


async def test_of_two_who_press_continue_at_once_just_one_holds_the_last_seat(
    studio: Studio, anna: Visitor, ben: Visitor
) -> None:
    slot, both = studio.slot(LESSON), asyncio.Barrier(2)

    async def together(route: Route) -> None:
        await both.wait()
        await route.continue_()

    for visitor in (anna, ben):
        visitor.expects("409")
        await visitor.page.route("**/holds", together)
        await visitor.chooses(slot)

    await asyncio.gather(anna.goes_on(slot), ben.goes_on(slot))

    await expect(anna.countdown.or_(anna.row(slot).locator(".slot-note")).first).to_be_visible()
    first, second = (anna, ben) if await anna.countdown.is_visible() else (ben, anna)
    await expect(second.row(slot)).to_contain_text(re.compile("has just been taken|moment faster"))
    await expect(second.countdown).to_be_hidden()
    await expect(first.countdown).to_be_visible()
