"""What was held in time is booked, though it is too late or closed by now for everybody else."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.house import House, refused, slot
from tests.store.studio import YOGA
from widget_server.domain.schedule import SlotRule
from widget_server.store.slot_rules import put_slot_rules

pytestmark = pytest.mark.anyio

A_MONTH_MIN = 30 * 24 * 60


async def close(house: House) -> None:
    site = await house.site()

    async def write(session: AsyncSession) -> None:
        await put_slot_rules(session, site.id, [SlotRule(slot(), is_closed=True)])

    await house.change(write)


async def want_notice(house: House) -> None:
    await house.change_service(replace(YOGA, notice_min=A_MONTH_MIN))


@pytest.mark.parametrize("names_lines", [False, True], ids=["the hold", "its lines"])
async def test_who_held_a_slot_before_it_was_too_soon_or_closed_can_confirm_it(house: House, names_lines: bool) -> None:
    anna = house.guest()
    await anna.hold(slot())
    await want_notice(house)
    await close(house)

    confirmed = await (anna.confirm_at_once() if names_lines else anna.confirm())

    assert confirmed.status_code == 201
    assert (await house.seats()).booked == 1


async def test_who_held_nothing_cannot_confirm_around_notice_and_closing(house: House) -> None:
    ben = house.guest()
    await want_notice(house)
    refused(await ben.hold(slot()), 409, "too_soon")
    refused(await ben.confirm_at_once(slot()), 409, "too_soon")
    await close(house)

    refused(await ben.confirm_at_once(slot()), 409, "slot_closed")
    assert (await house.seats()).taken == 0


async def test_a_hold_that_ended_is_no_way_around_them_either(house: House) -> None:
    ben = house.guest()
    await ben.hold(slot())
    await ben.release()
    await want_notice(house)

    assert (await ben.confirm_at_once(slot())).status_code == 409
    assert (await house.seats()).taken == 0


async def test_a_hold_that_ran_out_takes_no_seats_again_of_a_slot_that_was_closed(house: House) -> None:
    anna, ben = house.guest(), house.guest()
    await anna.hold(slot())
    await ben.hold(slot(number=1))
    await close(house)
    await house.advance(timedelta(minutes=11))
    await house.engine.sweep("tenuto", retry=timedelta(seconds=5))

    refused(await anna.confirm(), 409, "slot_full")
    assert (await ben.confirm()).status_code == 201, "its slot is open, and nobody else took the seat"
    assert (await house.seats()).taken == 0
