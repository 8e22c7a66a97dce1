import pytest

from tests.engine.box import HOLD_LENGTH, LIMIT, MASSAGE, YOGA, Box
from widget_server.domain.bookings import BookedSeats
from widget_server.domain.holds import HoldState, Line
from widget_server.domain.slots import Seats
from widget_server.engine import keys
from widget_server.engine.calls import Call
from widget_server.engine.reservations import READS_MAX, Reservations
from widget_server.engine.wire import Reply
from widget_server.errors import Changed, HoldEnded, NotFound, NotYours, Paying

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("only_declared")]

HALF = HOLD_LENGTH / 2


async def test_a_renewed_hold_has_its_full_length_again(box: Box) -> None:
    await box.hold("anna", Line(YOGA, 2))
    await box.advance(HALF)

    renewed = await box.renew("anna", version=1)

    assert renewed.version == 2
    assert HOLD_LENGTH >= renewed.expires_at - renewed.now > HOLD_LENGTH * 0.99
    assert (await box.seats()).frees_at == renewed.expires_at
    await box.advance(HALF)
    assert (await box.sweep()).ended == 0
    assert (await box.find("anna")).state is HoldState.HELD


async def test_renewing_again_from_the_same_version_gets_the_same_answer(box: Box) -> None:
    await box.hold("anna")
    renewed = await box.renew("anna", version=1)
    await box.advance(HALF)

    again = await box.renew("anna", version=1)

    assert (again.expires_at, again.version) == (renewed.expires_at, renewed.version)


async def test_renewing_from_a_version_long_past_is_refused(box: Box) -> None:
    await box.hold("anna")
    await box.renew("anna", version=1)
    await box.renew("anna", version=2)

    with pytest.raises(Changed):
        await box.renew("anna", version=1)


async def test_no_hold_is_renewed_past_its_limit(box: Box) -> None:
    hold = await box.hold("anna")
    for version in range(1, 6):
        await box.advance(HALF)
        hold = await box.renew("anna", version=version)

    assert hold.expires_at == hold.limit_at
    await box.advance(LIMIT - 5 * HALF)
    with pytest.raises(HoldEnded):
        await box.renew("anna", version=6)


async def test_only_who_took_a_hold_may_move_it_or_give_it_back(box: Box) -> None:
    await box.hold("anna")

    with pytest.raises(NotYours):
        await box.engine.renew(box.site, "anna", "a guess", version=1, length=HOLD_LENGTH)
    with pytest.raises(NotYours):
        await box.engine.release(box.site, "anna", "a guess")
    assert (await box.find("anna")).version == 1


async def test_released_seats_are_free_and_its_hold_knows(box: Box) -> None:
    await box.hold("anna", Line(YOGA, 2), MASSAGE)

    await box.release("anna")

    assert await box.seats(YOGA) == Seats(version=2)
    assert await box.seats(MASSAGE) == Seats(version=2)
    assert (await box.find("anna")).state is HoldState.RELEASED
    assert await box.connection.read(("KEYS", "*visitor*"), ("ZCARD", "{tenuto}:due")) == [[], 0]


async def test_a_hold_that_changes_each_time_it_is_read_stays_as_it_is_and_says_so(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = await box.hold("anna", Line(YOGA, 1))
    run, elsewhere = box.engine._run, Reservations(box.connection)

    async def overtaken(call: Call) -> list[Reply]:
        nonlocal hold
        wanted = [Line(YOGA, hold.version % 2 + 1)]
        changed = {"schedule_version": 1, "version": hold.version}
        hold = await elsewhere.change(box.site, "anna", "secret of anna", wanted, box.offer(YOGA), **changed)
        return await run(call)

    monkeypatch.setattr(box.engine, "_run", overtaken)
    with pytest.raises(Changed):
        await box.release("anna")
    assert (await box.find("anna")).version == hold.version == 1 + READS_MAX
    assert (await box.seats()).held == hold.lines[0].seats


async def test_whoever_takes_and_gives_back_all_day_fills_no_memory_by_it(box: Box) -> None:
    """What was pinned once is known for a day, as whoever saw to its payment may come back late."""
    await box.hold("anna")
    await box.hold("ben", MASSAGE)
    pin = await box.pin("ben")
    await box.unpin("ben", fence=pin.fence)
    for name in ("anna", "ben"):
        await box.release(name)

    of_site = keys.of_site("tenuto", box.site.key)
    known_s = await box.connection.read(*(("TTL", of_site.hold(name)) for name in ("anna", "ben")))
    assert 590 < known_s[0] <= 600
    assert 86_390 < known_s[1] <= 86_400


async def test_a_line_that_is_gone_already_is_not_counted_down_again(box: Box) -> None:
    """No script leaves a hold without its line; whatever did, nobody else's seats are given away for it."""
    await box.hold("ben", Line(YOGA, 1))
    await box.hold("anna", Line(YOGA, 2))
    day_key, slot_key = keys.of_site("tenuto", box.site.key).seats(YOGA.id)
    field = YOGA.id.partition("T")[2]
    (figures,) = await box.connection.read(("HGET", day_key, field))
    of_ben = figures.replace("3:", "1:", 1)
    await box.connection.read(("ZREM", slot_key, "anna:2"), ("HSET", day_key, field, of_ben))

    await box.release("anna")

    assert (await box.seats()).held == 1


async def test_releasing_again_changes_nothing(box: Box) -> None:
    await box.hold("anna")
    await box.release("anna")

    await box.release("anna")

    assert (await box.seats()).version == 2


async def test_an_expired_hold_can_neither_be_renewed_nor_released(box: Box) -> None:
    await box.hold("anna")
    await box.advance(HOLD_LENGTH)

    with pytest.raises(HoldEnded):
        await box.renew("anna", version=1)
    with pytest.raises(HoldEnded):
        await box.release("anna")


async def test_a_hold_that_is_being_paid_can_neither_be_renewed_nor_released(box: Box) -> None:
    await box.hold("anna")
    await box.pin("anna")

    with pytest.raises(Paying):
        await box.renew("anna", version=2)
    with pytest.raises(Paying):
        await box.release("anna")
    assert (await box.seats()).held == 1


async def test_a_booking_can_not_be_released(box: Box) -> None:
    await box.hold("anna")
    pin = await box.pin("anna")
    await box.commit("anna", BookedSeats(YOGA, 1, 1), fence=pin.fence)

    with pytest.raises(HoldEnded):
        await box.release("anna")
    assert (await box.seats()).booked == 1


async def test_what_never_was_is_not_found(box: Box) -> None:
    with pytest.raises(NotFound):
        await box.renew("anna", version=1)
    with pytest.raises(NotFound):
        await box.release("anna")
