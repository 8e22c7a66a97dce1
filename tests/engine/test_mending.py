"""Mending one slot of a living Redis: what was lost comes back, and what has made room for others does not."""

import pytest

from tests.engine.box import CAPACITY, HOLD_LENGTH, YOGA, Box
from widget_server.domain.holds import Line
from widget_server.engine import keys
from widget_server.engine.mending import Mending, SlotMending

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("only_declared")]


async def mend(box: Box, *doubted: tuple[str, int]) -> int:
    return await Mending(box.connection).slots(box.site, [SlotMending(YOGA, 0, 0, 0, doubted)])


async def test_a_line_that_was_lost_is_put_back(box: Box) -> None:
    await box.hold("anna", Line(YOGA, 2))
    _, slot_key = keys.of_site("tenuto", box.site.key).seats(YOGA.id)
    await box.connection.read(("DEL", slot_key))

    assert await mend(box, ("anna", 2)) == 1
    await box.counts_are_right()
    assert (await box.seats()).held == 2


async def test_a_line_that_expired_and_made_room_for_another_is_not_put_back(box: Box) -> None:
    await box.hold("anna", Line(YOGA, 2))
    await box.advance(HOLD_LENGTH)
    await box.hold("ben", Line(YOGA, CAPACITY))

    assert await mend(box, ("anna", 2)) == 0
    assert (await box.seats()).held == CAPACITY


async def test_a_line_that_expired_and_is_in_nobodys_way_stays_until_it_is_swept(box: Box) -> None:
    await box.hold("anna", Line(YOGA, 2))
    await box.advance(HOLD_LENGTH)

    assert await mend(box, ("anna", 2)) == 0
    assert (await box.seats()).held == 2
    assert (await box.sweep()).ended == 1
    assert (await box.seats()).held == 0
