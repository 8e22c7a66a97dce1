"""What SQL has decided reaches Redis: by whoever did it, else by a worker, within seconds."""

from datetime import UTC, datetime
from time import monotonic
from typing import Any

import pytest
from sqlalchemy import update

from tests.house import SITE, House, slot
from tests.use_cases.working import WITHIN_S, eventually, reconciliation, until, working
from widget_server.engine import keys
from widget_server.engine.reservations import Reservations
from widget_server.store.outbox import Outbox
from widget_server.store.tables import OutboxRow
from widget_server.use_cases.restoring import TAKEOVER_AFTER

pytestmark = pytest.mark.anyio


async def test_the_worker_tells_what_nobody_told(house: House) -> None:
    """Of a process that was killed between its record and its commit."""
    anna = house.guest()
    await anna.hold((slot(), 2))
    await anna.confirm()
    await house.rewind(slot())

    async def nothing_waits() -> bool:
        return await Outbox(house.parts.database).waiting() == 0

    async with working(house):
        await until(house, booked=2, held=0)
        await eventually(nothing_waits)


async def test_what_was_told_at_once_is_not_told_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    anna, ben = house.guest(), house.guest()
    for guest in (anna, ben):
        await guest.hold()
        await guest.confirm()
    await ben.cancel()
    told: list[str] = []

    async def tell(*_: Any, **__: Any) -> None:
        told.append("again")

    for verb in ("commit", "set_booked"):
        monkeypatch.setattr(Reservations, verb, tell)

    assert await house.deliver() == 3
    assert told == []
    assert await Outbox(house.parts.database).waiting() == 0


@pytest.mark.parametrize("is_pinned", [True, False], ids=["a pin left", "seats not told"])
async def test_what_was_not_told_is_told(house: House, is_pinned: bool) -> None:
    anna = house.guest()
    await anna.hold((slot(), 2))
    await anna.confirm()
    if is_pinned:  # the booked seats are told, but not that the hold has become them
        await house.redis.read(("HSET", keys.of_site("tenuto", SITE).hold(anna.id), "state", "paying"))
        _, lines = keys.of_site("tenuto", SITE).seats(slot().id)
        await house.redis.read(("ZADD", lines, "+inf", f"{anna.id}:2"))
    else:
        await house.rewind(slot())

    assert await house.deliver() == 1
    assert (await house.seats()).booked == 2
    assert (await anna.look()).json()["hold"]["state"] == "confirmed"
    assert await Outbox(house.parts.database).waiting() == 0


async def test_what_a_dead_worker_had_claimed_is_told_by_another_within_seconds(house: House) -> None:
    anna = house.guest()
    await anna.hold((slot(), 2))
    await anna.confirm()
    await house.rewind(slot())
    outbox, began_at_s = Outbox(house.parts.database), monotonic()
    async with house.parts.database.transaction() as session:
        await session.exec(update(OutboxRow).values(due_at=datetime.now(UTC)))
    assert len(await outbox.due(10, at=datetime.now(UTC))) == 1, "claimed"

    async def is_told() -> bool:
        await reconciliation(house).deliver()
        return await outbox.waiting() == 0

    await eventually(is_told)
    assert 1 < monotonic() - began_at_s < WITHIN_S
    assert (await house.seats()).booked == 2


async def test_what_cannot_be_told_is_told_again_after_a_moment_and_never_much_later(house: House) -> None:
    anna = house.guest()
    await anna.hold()
    await anna.confirm()
    site = await house.site()
    await house.engine.rebuild(site, site.epoch + 1, "somebody", TAKEOVER_AFTER)

    waits = []
    for _ in range(3):
        assert await house.deliver() == 1
        due_at = await Outbox(house.parts.database).next_due_at()
        assert due_at is not None
        waits.append(round((due_at - datetime.now(UTC)).total_seconds()))
    assert waits == [1, 2, 2]
