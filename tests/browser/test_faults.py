"""What a visitor sees when something breaks: the line, Redis, the server. Nothing is lost, and there is a way on."""

import re
import signal
from dataclasses import replace

import pytest
from playwright.async_api import Route, expect

from tests.browser.conftest import Invite
from tests.browser.hosting import Host
from tests.browser.line import line_to
from tests.browser.people import Visitor
from tests.browser.serving import LESSON, Server, Studio

pytestmark = pytest.mark.anyio

BREAKS = ("ERR_", "Failed to load resource")


async def looks_at_lessons(visitor: Visitor, studio: Studio, host: Host) -> Visitor:
    await visitor.opens(host.page(studio, f'<tenuto-booking site="{studio.key}" service="lesson"></tenuto-booking>'))
    await visitor.looks_at(studio.slot(LESSON))
    return visitor


async def test_offline_for_a_while_and_nothing_is_lost(studio: Studio, host: Host, invite: Invite) -> None:
    slot = studio.slot(LESSON)
    anna = await looks_at_lessons(await invite("anna"), studio, host)
    ben = await looks_at_lessons(await invite("ben"), studio, host)
    anna.expects(*BREAKS)
    await anna.holds(slot)
    await anna.name.fill("Anna Ek")

    await anna.context.set_offline(True)
    await expect(anna.told("You seem to be offline.")).to_be_visible()
    await anna.button("Confirm booking").click()
    await expect(anna.told("reach the server. Please check your connection")).to_be_visible()
    await expect(anna.name).to_have_value("Anna Ek")
    await expect(ben.status(slot)).to_have_text(re.compile("held"))

    await anna.context.set_offline(False)
    await expect(anna.told("You seem to be offline.")).to_be_hidden()
    await anna.button("Confirm booking").click()
    await anna.is_booked()
    await expect(ben.status(slot)).to_have_text("full")


async def test_news_missed_while_the_line_was_cut_is_seen_when_it_is_mended(
    server: Server, studio: Studio, host: Host, invite: Invite
) -> None:
    slot = studio.slot(LESSON)
    anna = await looks_at_lessons(await invite("anna"), studio, host)
    ben = await invite("ben")
    ben.expects(*BREAKS)
    async with line_to(server.port) as line:
        await looks_at_lessons(ben, replace(studio, url=line.url), host)
        await line.cut()
        await anna.holds(slot)
        await anna.confirms()
        await anna.is_booked()
        await expect(ben.status(slot)).to_have_text("free")

        await line.mend()

        await expect(ben.status(slot)).to_have_text("full")


async def test_a_line_that_is_cut_while_confirming_loses_nothing(
    server: Server, studio: Studio, host: Host, invite: Invite
) -> None:
    anna = await invite("anna")
    anna.expects(*BREAKS)
    async with line_to(server.port) as line:
        await looks_at_lessons(anna, replace(studio, url=line.url), host)
        await anna.holds(studio.slot(LESSON))
        await line.cut()
        await anna.confirms()
        await expect(anna.told("reach the server. Please check your connection")).to_be_visible()
        await expect(anna.countdown).to_be_visible()

        await line.mend()
        await anna.button("Confirm booking").click()

        await anna.is_booked()


async def test_an_answer_that_is_lost_does_not_book_twice(studio: Studio, host: Host, invite: Invite) -> None:
    anna = await looks_at_lessons(await invite("anna"), studio, host)
    anna.expects(*BREAKS)
    await anna.holds(studio.slot(LESSON))
    lost: list[int] = []

    async def lose_the_first(route: Route) -> None:
        answer = await route.fetch()
        lost.append(answer.status)
        await (route.abort() if len(lost) == 1 else route.fulfill(response=answer))

    await anna.page.route("**/confirmation", lose_the_first)
    await anna.confirms()

    await anna.is_booked()
    assert lost == [201, 201]


async def test_when_redis_forgets_everything_anna_is_told_and_can_hold_again(
    own_server: Server, own_studio: Studio, host: Host, invite: Invite
) -> None:
    slot = own_studio.slot(LESSON)
    anna = await looks_at_lessons(await invite("anna"), own_studio, host)
    ben = await looks_at_lessons(await invite("ben"), own_studio, host)
    for visitor in (anna, ben):
        visitor.expects(*BREAKS)
    await anna.holds(slot)
    await anna.name.fill("Anna Ek")

    await own_server.lose_everything_in_redis()

    await expect(anna.told("Your seat was given back. It is still free.")).to_be_visible()
    await expect(ben.status(slot)).to_have_text("free")
    await anna.button("Hold again").click()
    await expect(anna.countdown).to_be_visible()
    await expect(ben.status(slot)).to_have_text(re.compile("held"))
    await expect(anna.name).to_have_value("Anna Ek")
    await anna.button("Confirm booking").click()
    await anna.is_booked()
    await expect(ben.status(slot)).to_have_text("full")


async def test_what_is_booked_is_still_full_after_redis_has_forgotten_it(
    own_server: Server, own_studio: Studio, host: Host, invite: Invite
) -> None:
    slot = own_studio.slot(LESSON)
    anna = await looks_at_lessons(await invite("anna"), own_studio, host)
    ben = await looks_at_lessons(await invite("ben"), own_studio, host)
    ben.expects(*BREAKS)
    await anna.holds(slot)
    await anna.confirms()
    await anna.is_booked()

    await own_server.lose_everything_in_redis()
    await ben.page.reload()

    await ben.looks_at(slot)
    await expect(ben.status(slot)).to_have_text("full")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_a_server_that_is_started_again_finds_the_hold_as_it_was(
    own_server: Server, own_studio: Studio, host: Host, invite: Invite, how: signal.Signals
) -> None:
    slot = own_studio.slot(LESSON)
    anna = await looks_at_lessons(await invite("anna"), own_studio, host)
    ben = await looks_at_lessons(await invite("ben"), own_studio, host)
    for visitor in (anna, ben):
        visitor.expects(*BREAKS)
    await anna.holds(slot)
    await expect(ben.status(slot)).to_have_text(re.compile("held"))
    if how is signal.SIGKILL:
        await anna.page.wait_for_timeout(1_200)  # the hold has reached the disk by then

    own_server.stop(how)
    own_server.start()

    await expect(anna.countdown).to_be_visible()
    await anna.confirms()
    await anna.is_booked()
    await expect(ben.status(slot)).to_have_text("full", timeout=40_000)
