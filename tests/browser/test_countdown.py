"""The time a hold has: shown truly, prolonged on request, found again after a reload, and kindly over at its end."""

import re
from datetime import timedelta
from time import monotonic

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Invite
from tests.browser.hosting import Host
from tests.browser.people import Scheme, Visitor, barriers, turns
from tests.browser.serving import LESSON, YOGA, Server, Studio

pytestmark = pytest.mark.anyio


async def looks_at_lessons(visitor: Visitor, studio: Studio, host: Host) -> Visitor:
    await visitor.opens(host.page(studio, f'<tenuto-booking site="{studio.key}" service="lesson"></tenuto-booking>'))
    await visitor.looks_at(studio.slot(LESSON))
    return visitor


async def is_sound_light_and_dark(visitor: Visitor) -> None:
    frame = await visitor.frame()
    schemes: tuple[Scheme, ...] = ("light", "dark")
    for scheme in schemes:
        await turns(visitor.page, scheme, frame)
        assert (scheme, await barriers(frame)) == (scheme, [])


async def test_when_annas_time_runs_out_ben_sees_the_seat_and_anna_can_hold_it_again(
    own_server: Server, own_studio: Studio, host: Host, invite: Invite
) -> None:
    slot = own_studio.slot(LESSON)
    anna = await invite("anna", own=True)
    await anna.page.clock.install()
    await looks_at_lessons(anna, own_studio, host)
    ben = await looks_at_lessons(await invite("ben"), own_studio, host)
    await anna.holds(slot)
    await anna.name.fill("Anna Ek")
    await expect(ben.status(slot)).to_have_text(re.compile("held"))

    await own_server.let_pass(timedelta(minutes=10))
    await anna.page.clock.fast_forward(10 * 60_000)

    await expect(ben.status(slot)).to_have_text("free")
    await expect(anna.told("Your seat was given back. It is still free.")).to_be_visible()
    await expect(anna.status(slot)).to_have_text("free")
    await expect(anna.countdown).to_be_hidden()
    await expect(anna.button("Confirm booking")).to_be_hidden()
    await expect(anna.name).to_have_value("Anna Ek")
    await is_sound_light_and_dark(anna)

    await anna.button("Hold again").click()

    await expect(anna.countdown).to_be_visible()
    await expect(ben.status(slot)).to_have_text(re.compile("held"))
    await expect(anna.name).to_have_value("Anna Ek")
    await anna.button("Confirm booking").click()
    await anna.is_booked()
    await expect(ben.status(slot)).to_have_text("full")


async def test_when_annas_time_ran_out_and_ben_was_faster_she_is_told_and_keeps_what_she_typed(
    own_server: Server, own_studio: Studio, host: Host, invite: Invite
) -> None:
    slot, other = own_studio.slot(LESSON, 0), own_studio.slot(LESSON, 1)
    anna = await looks_at_lessons(await invite("anna"), own_studio, host)
    ben = await looks_at_lessons(await invite("ben"), own_studio, host)
    await anna.holds(slot)
    await anna.name.fill("Anna Ek")
    await anna.button("Confirm booking").focus()
    await own_server.let_pass(timedelta(minutes=10))
    await expect(anna.told("Your seat was given back. It is still free.")).to_be_visible()
    await expect(anna.button("Hold again")).to_be_focused()  # who was at a button that is gone is at the next one

    await ben.holds(slot)

    await expect(anna.told("Somebody else is holding it now.")).to_be_visible()
    await expect(anna.button("Hold again")).to_be_hidden()
    await expect(anna.button("Choose another time")).to_be_focused()
    await expect(anna.said).to_contain_text("Somebody else is holding it now.")
    await anna.button("Choose another time").click()
    await anna.holds(other)
    await expect(anna.name).to_have_value("Anna Ek")


async def test_more_time_prolongs_the_hold_and_ben_sees_it_too(
    own_server: Server, own_studio: Studio, host: Host, invite: Invite
) -> None:
    slot = own_studio.slot(LESSON)
    anna = await invite("anna", own=True)
    await anna.page.clock.install()
    await looks_at_lessons(anna, own_studio, host)
    ben = await looks_at_lessons(await invite("ben"), own_studio, host)
    await anna.holds(slot)
    await expect(anna.button("More time")).to_be_hidden()
    await own_server.let_pass(timedelta(minutes=6))
    await anna.page.clock.fast_forward(6 * 60_000)
    await expect(anna.countdown).to_have_text(re.compile("^0?[34]:"))

    await anna.button("More time").click()

    await expect(anna.countdown).to_have_text(re.compile("^(10:00|0?9:[45])"))
    await expect(anna.button("More time")).to_be_hidden()
    await own_server.let_pass(timedelta(minutes=5))
    await expect(ben.status(slot)).to_have_text(re.compile("held"))
    await anna.confirms()
    await anna.is_booked()


async def test_a_reload_of_the_host_page_finds_the_running_hold_with_the_right_time_left(
    studio: Studio, host: Host, invite: Invite
) -> None:
    anna = await invite("anna")
    await anna.opens(host.page(studio))
    await anna.picks_service("Yoga")
    await anna.holds(studio.slot(YOGA), seats=3)
    before, began_at_s = await anna.seconds_left(), monotonic()

    await anna.page.reload()

    await expect(anna.countdown).to_be_visible()
    left = await anna.seconds_left()
    assert before - (monotonic() - began_at_s) - 2 <= left <= before
    await expect(anna.widget.locator(".ticket")).to_contain_text("3 seats")
    await anna.confirms()
    await anna.is_booked()


@pytest.mark.parametrize("minutes", [-90, 20])
async def test_a_device_with_a_wrong_clock_shows_the_right_time_left(
    minutes: int, studio: Studio, host: Host, invite: Invite
) -> None:
    anna = await invite("anna", own=True)
    await anna.page.add_init_script(f"{{ const now = Date.now; Date.now = () => now() + {minutes} * 60_000; }}")
    await looks_at_lessons(anna, studio, host)

    await anna.holds(studio.slot(LESSON))

    assert 9 * 60 + 30 <= await anna.seconds_left() <= 10 * 60


async def test_a_clock_that_is_set_forward_while_seats_are_held_ends_nothing(
    studio: Studio, host: Host, invite: Invite
) -> None:
    anna = await invite("anna", own=True)
    await anna.page.clock.install()
    await looks_at_lessons(anna, studio, host)
    await anna.holds(studio.slot(LESSON))

    await anna.page.clock.fast_forward(15 * 60_000)

    await expect(anna.countdown).to_have_text(re.compile("^(10:00|0?9:[345])"))
    await expect(anna.button("Confirm booking")).to_be_visible()


async def test_the_last_minutes_are_said_aloud(
    own_server: Server, own_studio: Studio, host: Host, invite: Invite
) -> None:
    anna = await invite("anna", own=True)
    await anna.page.clock.install()
    await looks_at_lessons(anna, own_studio, host)
    await anna.holds(own_studio.slot(LESSON))

    for minutes, left in ((5, "5 minutes"), (3, "2 minutes"), (1, "1 minute")):
        await own_server.let_pass(timedelta(minutes=minutes))
        await anna.page.clock.fast_forward(minutes * 60_000)
        await expect(anna.said).to_contain_text(f"{left} left to book")
    await is_sound_light_and_dark(anna)
