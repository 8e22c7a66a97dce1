"""A site whose holds are switched off: no countdown, and the seats are taken when somebody confirms."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Invite
from tests.browser.hosting import Host
from tests.browser.people import Visitor
from tests.browser.serving import LESSON, Server, Studio

pytestmark = pytest.mark.anyio


@pytest.fixture
async def studio(server: Server, host: Host) -> Studio:
    return await server.open_studio(LESSON, origins=[host.origin], holds_on=False)


async def goes_to_the_form(visitor: Visitor, studio: Studio, host: Host) -> Visitor:
    slot = studio.slot(LESSON)
    await visitor.opens(host.page(studio))
    await visitor.chooses(slot)
    await visitor.goes_on(slot)
    await expect(visitor.told("Your seats are taken when you confirm.")).to_be_visible()
    return visitor


async def test_there_is_no_countdown_and_confirming_books(studio: Studio, host: Host, invite: Invite) -> None:
    anna = await goes_to_the_form(await invite("anna"), studio, host)

    await expect(anna.countdown).to_be_hidden()
    await anna.confirms()

    await anna.is_booked()


async def test_of_two_who_fill_in_the_form_the_second_is_told_and_keeps_what_was_typed(
    studio: Studio, host: Host, invite: Invite
) -> None:
    anna = await goes_to_the_form(await invite("anna"), studio, host)
    ben = await goes_to_the_form(await invite("ben"), studio, host)
    await ben.name.fill("Ben Ost")

    await anna.confirms()
    await anna.is_booked()

    await expect(ben.told("This time has just been taken.")).to_be_visible()
    ben.expects("409")
    await ben.confirms("Ben Ost")
    await expect(ben.told("This time has just been taken.")).to_be_visible()
    await expect(ben.name).to_have_value("Ben Ost")
    await ben.button("Back").click()
    await expect(ben.status(studio.slot(LESSON))).to_have_text("full")
    await ben.chooses(studio.slot(LESSON, 1))
    await ben.goes_on(studio.slot(LESSON, 1))
    await expect(ben.name).to_have_value("Ben Ost")
    await ben.button("Confirm booking").click()
    await ben.is_booked()


async def test_holds_that_are_switched_off_while_somebody_looks(server: Server, host: Host, invite: Invite) -> None:
    studio = await server.open_studio(LESSON, origins=[host.origin])
    slot = studio.slot(LESSON)
    anna, ben = await invite("anna"), await invite("ben")
    for visitor in (anna, ben):
        await visitor.opens(host.page(studio))
        await visitor.looks_at(slot)
    await ben.holds(studio.slot(LESSON, 1))

    await server.change(studio, holds_on=False)

    await anna.chooses(slot)
    await anna.goes_on(slot)
    await expect(anna.told("Your seats are taken when you confirm.")).to_be_visible()
    await anna.confirms()
    await anna.is_booked()
    await ben.confirms("Ben Ost")
    await ben.is_booked()
    await expect(anna.widget.locator(".done-number")).to_have_text(re.compile(r"\w{4}-\w{4}"))
