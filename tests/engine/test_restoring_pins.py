"""While a site is filled anew, whoever is paying has their seats again, before anybody else can take them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.engine.box import CAPACITY, HOLD_LENGTH, LATE_YOGA, TAKEOVER, WINDOW, YOGA, Box
from tests.engine.test_claims import BESIDE, PIA, QUINN, by, claims, diary, serve
from widget_server.domain.attempts import WaitingPin
from widget_server.domain.bookings import BookedSeats
from widget_server.domain.holds import HoldState, Line
from widget_server.domain.orders import Claimed
from widget_server.domain.slots import Slot
from widget_server.errors import HoldBudgetSpent, HoldEnded, Paying, SlotFull

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("only_declared")]

LEFT = timedelta(minutes=7)
"""Of the payment window."""


async def waiting(box: Box, name: str, *lines: Line, fence: int = 1, attempt: str = "first") -> WaitingPin:
    """As SQL keeps it; `Box.pin` pins for the attempt `first`."""
    until = await box.now() + LEFT
    return WaitingPin(name, f"secret of {name}", attempt, fence, until, lines or (Line(YOGA, 1),), name, name)


async def wipe(box: Box) -> None:
    await box.connection.read(("FLUSHALL",))


async def test_seats_that_are_being_paid_are_nobody_elses_once_the_gate_opens(box: Box) -> None:
    await box.hold("anna", Line(YOGA, 2), LATE_YOGA)
    await box.pin("anna")
    anna = await waiting(box, "anna", Line(YOGA, 2), Line(LATE_YOGA, 1))
    await wipe(box)

    assert await box.fill([BookedSeats(YOGA, 2, 1)], [anna]) == 1

    with pytest.raises(SlotFull):
        await box.hold("ben", YOGA)
    assert [(await box.seats(of)).held for of in (YOGA, LATE_YOGA)] == [2, 1]
    hold = await box.find("anna")
    assert (hold.state, hold.lines) == (HoldState.PAYING, anna.lines)
    assert hold.expires_at - hold.now <= LEFT < hold.expires_at - hold.now + timedelta(seconds=5)
    assert (await box.sweep()).next_due == hold.expires_at


async def test_the_pin_is_the_one_that_sql_knows_and_ends_like_any_other(box: Box) -> None:
    for name in ("anna", "ben", "cleo"):
        await wipe(box)
        await box.fill(waiting=[await waiting(box, name, fence=3)])
        assert (await box.pin(name)).fence == 3, "by the same attempt, it is the same pin"
        with pytest.raises(Paying):
            await box.pin(name, attempt="second")

        await box.unpin(name, fence=2, release=True)
        assert (await box.find(name)).state is HoldState.PAYING, "of an earlier attempt"
        match name:
            case "anna":
                assert await box.commit(name, BookedSeats(YOGA, 1, 1), fence=3) == "COMMITTED"
            case "ben":
                await box.unpin(name, fence=3, release=True)
            case _:
                await box.unpin(name, fence=3)
                assert (await box.find(name)).state is HoldState.HELD
                assert (await box.pin(name, attempt="second")).fence == 4


async def test_a_restored_pin_counts_in_the_budgets(box: Box) -> None:
    await wipe(box)
    names = ("anna", "anna's", "anna's too")
    pins = [replace(await waiting(box, name), visitor="anna") for name in names]
    await box.fill(waiting=pins)

    with pytest.raises(HoldBudgetSpent):
        await box.hold("one more", LATE_YOGA, visitor="anna")


async def test_nobody_is_pinned_twice_and_a_pin_that_is_there_stays_as_it_is(box: Box) -> None:
    await box.hold("anna", Line(YOGA, 2))
    pin, anna = await box.pin("anna"), await waiting(box, "anna", Line(YOGA, 2), fence=5)

    assert await box.fill(waiting=[anna, anna]) == 2
    assert (await box.seats()).held == 2
    assert (await box.pin("anna")).fence == pin.fence


@pytest.mark.parametrize("before", ["held", "expired", "swept", "paying for another attempt"])
async def test_a_hold_that_redis_has_from_before_it_was_pinned_is_pinned(box: Box, before: str) -> None:
    await box.hold("anna", Line(YOGA, 2), visitor="a visitor", network="a network")
    if before == "paying for another attempt":
        await box.pin("anna", attempt="earlier")
    if before in ("expired", "swept"):
        await box.advance(HOLD_LENGTH)
    if before == "swept":
        await box.sweep()
    version = (await box.find("anna")).version

    assert await box.fill(waiting=[await waiting(box, "anna", Line(YOGA, 2), fence=4)]) == 1
    hold = await box.find("anna")
    assert (hold.state, hold.version) == (HoldState.PAYING, version + 1)
    assert (await box.seats()).held == 2
    assert (await box.pin("anna")).fence == 4


async def test_seats_that_others_have_by_now_stay_theirs(box: Box) -> None:
    """As in a Redis that went back in time; and nobody gets some of their lines only."""
    await box.hold("ben", Line(YOGA, CAPACITY - 1))
    pins = [await waiting(box, "anna", Line(LATE_YOGA, 1), Line(YOGA, 2)), await waiting(box, "cleo", Line(YOGA, 1))]

    assert await box.fill(waiting=pins) == 1
    assert (await box.find("cleo")).state is HoldState.PAYING
    assert [(await box.seats(of)).held for of in (YOGA, LATE_YOGA)] == [CAPACITY, 0]


async def test_room_is_made_by_those_whose_time_is_over(box: Box) -> None:
    await box.hold("ben", Line(YOGA, CAPACITY))
    await box.advance(HOLD_LENGTH)

    assert await box.fill(waiting=[await waiting(box, "anna", Line(YOGA, 2))]) == 1
    assert (await box.seats()).held == 2


@pytest.mark.parametrize("how", ["released", "confirmed", "another's", "of other seats"])
async def test_what_has_ended_or_is_another_hold_stays_as_it_is(box: Box, how: str) -> None:
    await box.hold("anna", Line(YOGA, 2))
    anna = await waiting(box, "anna", Line(YOGA, 2), attempt="later")
    if how == "released":
        await box.release("anna")
    if how == "confirmed":
        await box.pin("anna")
        await box.commit("anna", fence=1)
    if how == "another's":
        anna = replace(anna, secret_hash="guessed")
    if how == "of other seats":
        anna = replace(anna, lines=(Line(LATE_YOGA, 2),))
    before = await box.find("anna")

    assert await box.fill(waiting=[anna]) == 0
    assert (await box.find("anna"))._replace(now=before.now) == before
    assert (await box.seats(LATE_YOGA)).held == 0


async def test_a_slot_that_has_begun_meanwhile_is_still_theirs(box: Box) -> None:
    begun = Slot("yoga", await box.now() - timedelta(minutes=2), await box.now() + timedelta(minutes=58))
    await wipe(box)

    assert await box.fill(waiting=[await waiting(box, "anna", Line(begun, 1))]) == 1
    assert (await box.seats(begun)).held == 1


async def test_whoever_serves_it_is_claimed_anew_and_booked_elsewhere_is_nobody(box: Box) -> None:
    box.needs[YOGA] = by(PIA, QUINN, of=YOGA)
    await wipe(box)

    assert await box.fill(waiting=[await waiting(box, name) for name in ("anna", "ben", "cleo")]) == 2
    assert sorted(await diary(box, PIA) + await diary(box, QUINN)) == ["anna", "ben"]
    with pytest.raises(SlotFull):
        await box.hold("dora")
    await box.unpin("anna", fence=1, release=True)
    await box.hold("dora")


async def test_whoever_was_claimed_before_it_was_pinned_stays_claimed(box: Box) -> None:
    box.needs[YOGA] = by(PIA, QUINN, of=YOGA)
    await box.hold("anna")
    claimed = await claims(box, "anna")

    assert await box.fill(waiting=[await waiting(box, "anna")]) == 1
    assert await claims(box, "anna") == claimed
    await box.advance(HOLD_LENGTH)
    assert len(await diary(box, PIA) + await diary(box, QUINN)) == 1
    await box.hold("ben")
    with pytest.raises(SlotFull):
        await box.hold("cleo")


async def test_of_one_that_expired_somebody_else_may_be_claimed(box: Box) -> None:
    box.needs[YOGA] = by(PIA, of=YOGA)
    await box.hold("anna")
    await box.advance(HOLD_LENGTH)
    box.needs[YOGA] = by(QUINN, of=YOGA)

    assert await box.fill(waiting=[await waiting(box, "anna")]) == 1
    assert (await diary(box, PIA), await diary(box, QUINN)) == ([], ["anna"])


@pytest.mark.parametrize("leaves", [True, False])
async def test_what_a_paid_move_leaves_does_not_stand_in_its_way(box: Box, leaves: bool) -> None:
    """Pia is the only one who could serve the new time, and serves the old one at the same time until it has moved."""
    serve(box, PIA)
    await box.hold("anna")
    await box.commit("anna", BookedSeats(YOGA, 1, 1), fence=(await box.pin("anna")).fence)
    moves = await waiting(box, "anna-later", Line(BESIDE, 1))

    assert await box.fill(waiting=[replace(moves, instead_of=(Claimed("anna", YOGA),) if leaves else ())]) == leaves
    assert await diary(box, PIA) == ["anna", "anna-later"][: 1 + leaves]


async def test_whoever_was_overtaken_pins_nothing(box: Box) -> None:
    anna = await waiting(box, "anna")
    assert await box.restore_pins(anna) is None, "the gate is open"
    await box.engine.rebuild(box.site, 2, "second", TAKEOVER)

    assert await box.restore_pins(anna) is None
    await box.engine.open(box.site, "second", 1)
    assert (await box.engine.seats_of_days(box.site, "yoga", [YOGA.starts_at.date()])).seats == {}


async def test_a_window_that_is_over_is_for_the_worker_to_look_at_at_once(box: Box) -> None:
    anna = replace(await waiting(box, "anna"), pay_until=await box.now() - WINDOW)
    await wipe(box)
    await box.fill(waiting=[anna])

    assert (await box.sweep()).to_resolve == (("studio", "anna"),)
    await box.unpin("anna", fence=1)
    assert (await box.find("anna")).state is HoldState.HELD
    await box.advance(HOLD_LENGTH)
    with pytest.raises(HoldEnded):
        await box.renew("anna", version=2)
