"""An audit compares diaries with holds and with SQL: whoever is busy looks busy, and nobody else does."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from tests.house import SITE, Guest, House, slot
from tests.store.studio import TALK
from tests.use_cases.test_assignments import BESIDE, CLASS, LATER, PIA, booked, hire, in_redis, in_sql, is_free
from tests.use_cases.test_auditing import Rounds, auditing, dump, found, found_before_and_after, rebuilt
from widget_server.clock import from_ms, to_ms
from widget_server.domain.claims import Assignment
from widget_server.domain.sites import Site
from widget_server.engine import keys
from widget_server.engine.inspection import Inspection
from widget_server.engine.kept import BOOKED, DiaryEntry
from widget_server.engine.mending import ClaimMending, Mending
from widget_server.engine.reservations import Reservations
from widget_server.engine.wire import Word
from widget_server.use_cases.auditing import LINES_AT_ONCE
from widget_server.use_cases.delivery import Delivery
from widget_server.use_cases.findings import Kind

pytestmark = pytest.mark.anyio

OF_SITE = keys.of_site("tenuto", SITE)
DAY = CLASS.starts_at.date()
PIAS = OF_SITE.diary(PIA, DAY)
GHOST = "a" * 22

Break = Callable[[House, Guest, Guest], Awaitable[None]]
"""Anna has booked a seat of the class, ben holds one of a talk later that day; pia serves both."""


@pytest.fixture(autouse=True)
async def _staff(house: House) -> None:
    auditing(house).look_again_after_s = 0.05
    await hire(house, "pia")


@pytest.fixture
async def anna(house: House) -> Guest:
    return await booked(house, CLASS)


@pytest.fixture
async def ben(house: House) -> Guest:
    ben = house.guest()
    assert (await ben.hold(LATER)).status_code == 201
    return ben


async def do(house: House, *command: Word) -> None:
    await house.redis.read(command)


async def pias(house: House) -> dict[str, float]:
    """All that stands in her diary of that day, with its score."""
    entries = await Inspection(house.redis).claims(await house.site(), [(PIA, DAY)])
    return {entry.member: score for entry, score in entries}


async def claim_of(house: House, guest: Guest) -> str:
    (member,) = [member for member in await pias(house) if member.startswith(guest.id)]
    return member


def instead(member: str, *, until_ms: int = 0, seats: int = 1) -> str:
    parts = member.split(":")
    return ":".join([*parts[:3], str(until_ms or parts[3]), str(seats)])


async def booking_forgotten(house: House, anna: Guest, _ben: Guest) -> None:
    await do(house, "ZREM", PIAS, await claim_of(house, anna))


async def booking_ends_by_itself(house: House, anna: Guest, _ben: Guest) -> None:
    await do(house, "ZADD", PIAS, 1_000, await claim_of(house, anna))


async def booking_of_other_seats(house: House, anna: Guest, _ben: Guest) -> None:
    member = await claim_of(house, anna)
    await do(house, "ZREM", PIAS, member)
    await do(house, "ZADD", PIAS, BOOKED, instead(member, seats=2))


async def booking_of_another_time(house: House, anna: Guest, _ben: Guest) -> None:
    member = await claim_of(house, anna)
    await do(house, "ZREM", PIAS, member)
    await do(house, "ZADD", PIAS, BOOKED, instead(member, until_ms=int(member.split(":")[3]) + 60_000))


async def booking_of_nobody(house: House, anna: Guest, _ben: Guest) -> None:
    member = await claim_of(house, anna)
    await do(house, "ZADD", PIAS, BOOKED, member.replace(anna.id, GHOST))


async def pin_of_nobody(house: House, _anna: Guest, ben: Guest) -> None:
    member = await claim_of(house, ben)
    await do(house, "ZADD", PIAS, "+inf", member.replace(ben.id, GHOST))


async def hold_forgotten(house: House, _anna: Guest, ben: Guest) -> None:
    await do(house, "ZREM", PIAS, await claim_of(house, ben))


async def pinned_hold_forgotten(house: House, anna: Guest, ben: Guest) -> None:
    await house.pin(ben, window=timedelta(hours=1))
    await hold_forgotten(house, anna, ben)


async def hold_of_another_deadline(house: House, _anna: Guest, ben: Guest) -> None:
    await do(house, "ZADD", PIAS, "+inf", await claim_of(house, ben))


async def hold_taken_for_a_booking(house: House, _anna: Guest, ben: Guest) -> None:
    await do(house, "ZADD", PIAS, BOOKED, await claim_of(house, ben))


async def hold_of_other_seats(house: House, _anna: Guest, ben: Guest) -> None:
    member = await claim_of(house, ben)
    await do(house, "ZREM", PIAS, member)
    await do(house, "ZADD", PIAS, "+inf", instead(member, seats=2))


async def all_of_the_day_lost(house: House, _anna: Guest, _ben: Guest) -> None:
    await do(house, "DEL", PIAS)


async def on_another_day(house: House, anna: Guest, _ben: Guest) -> None:
    other = OF_SITE.diary(PIA, DAY + timedelta(days=1))
    await do(house, "ZADD", other, BOOKED, await claim_of(house, anna))


async def nothing_anybody_can_read(house: House, _anna: Guest, _ben: Guest) -> None:
    await do(house, "ZADD", PIAS, "+inf", "scribbled; over")


BOTH = {Kind.CLAIM, Kind.MISSING_CLAIM}
BROKEN: dict[Break, set[Kind]] = {
    booking_forgotten: {Kind.MISSING_CLAIM},
    booking_ends_by_itself: BOTH,
    booking_of_other_seats: BOTH,
    booking_of_another_time: BOTH,
    booking_of_nobody: {Kind.CLAIM},
    pin_of_nobody: {Kind.CLAIM},
    hold_forgotten: {Kind.MISSING_CLAIM},
    pinned_hold_forgotten: {Kind.MISSING_CLAIM},
    hold_of_another_deadline: {Kind.MISSING_CLAIM},
    hold_taken_for_a_booking: {Kind.CLAIM},
    hold_of_other_seats: BOTH,
    all_of_the_day_lost: {Kind.MISSING_CLAIM},
    on_another_day: {Kind.CLAIM},
    nothing_anybody_can_read: {Kind.CLAIM},
}


@pytest.mark.parametrize("break_it", BROKEN, ids=lambda break_it: break_it.__name__)
async def test_what_is_broken_is_found_by_the_worker_and_mended(
    house: House, anna: Guest, ben: Guest, break_it: Break
) -> None:
    is_pinned = break_it is pinned_hold_forgotten
    before = await pias(house)
    await break_it(house, anna, ben)
    broken = await dump(house)

    assert {one.kind for one in await found(house)} == BROKEN[break_it]
    assert await dump(house) == broken, "an audit changes nothing"
    await go_round(house)

    assert await found(house) == []
    after = await pias(house)
    assert set(after) == set(before)
    assert after == before or is_pinned
    assert await in_sql(house) == await in_redis(house) == {(PIA, CLASS.id): 1}
    assert (await ben.look()).json()["hold"]["state"] == ("paying" if is_pinned else "held")
    assert not await is_free(house, BESIDE)
    assert (await rebuilt(house)).mended == 0


async def go_round(house: House) -> None:
    """As a worker does at its start: like every round, without a pause."""
    await house.parts.use_cases.reconciliation._rounds.first("tenuto")


async def test_where_nothing_is_wrong_nothing_is_found(house: House, anna: Guest, ben: Guest) -> None:
    await house.pin(ben, window=timedelta(hours=1))
    over, gone = house.guest(), await booked(house, slot(TALK, day=1))
    await over.hold(slot(TALK, day=2))
    await gone.cancel()
    moved = await booked(house, slot(TALK, day=3))
    await moved.reschedule(slot(TALK, day=4))
    await house.advance(timedelta(minutes=15))

    assert await found(house) == []


async def test_a_freed_booking_that_still_claims_somebody_is_found_and_dropped(
    house: House, ben: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = await booked(house, CLASS)
    member = await claim_of(house, anna)
    await anna.cancel()
    await do(house, "ZADD", PIAS, BOOKED, member)

    (finding,) = await found(house)
    assert (finding.kind, finding.redis, finding.sql) == (Kind.CLAIM, "booked", "nobody serves such a booking")
    await go_round(house)

    assert member not in await pias(house)
    assert await is_free(house, BESIDE)


async def test_a_booking_that_redis_has_not_heard_of_yet_is_no_finding(
    house: House, ben: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def later(*_: object, **__: object) -> None:
        pass

    with monkeypatch.context() as patch:
        patch.setattr(Delivery, "tell_booked", later)
        assert (await ben.confirm()).status_code == 201

    assert BOOKED not in (await pias(house)).values()
    assert [one for one in await found(house) if one.claim is not None] == []


async def test_a_cancellation_under_way_is_no_finding(
    house: House, anna: Guest, ben: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQL has it, and Redis is told before the second look."""

    async def later(*_: object, **__: object) -> None:
        pass

    with monkeypatch.context() as patch:
        patch.setattr(Delivery, "tell_freed", later)
        await anna.cancel()

    assert any(one.claim is not None for one in await found(house))

    async def tell() -> None:
        site = await house.site()
        await house.engine.assign(site, await house.store.freed_in(site.id, [CLASS]))

    findings = await found_before_and_after(house, tell)
    assert [one for one in findings if one.claim is not None] == []


async def test_while_people_book_and_cancel_and_move_nothing_is_found(house: House) -> None:
    """The control is every other test here: what is wrong all the time is found."""
    await hire(house, "pia", "quinn")
    stop, rounds = asyncio.Event(), Rounds(6)

    async def come_and_go(number: int) -> None:
        day = number % 3
        while not stop.is_set():
            rounds.over(number)
            guest = house.guest()
            if (await guest.hold(slot(TALK, day=day, number=number))).status_code != 201:
                await asyncio.sleep(0)
                continue
            await (guest.confirm() if number % 3 else guest.release())
            if number % 2:
                await guest.reschedule(slot(TALK, day=day + 3, number=number))
            if number % 3:
                await guest.cancel()

    people = [asyncio.create_task(come_and_go(number)) for number in range(6)]
    try:
        for _ in range(4):
            assert await found_before_and_after(house, rounds.all_over) == []
    finally:
        stop.set()
        await asyncio.gather(*people)
    assert await found(house) == []


async def test_whoever_confirms_while_their_claim_is_being_mended_keeps_it(
    house: House, ben: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looked booked in Redis and SQL had no such booking; right after SQL was asked, it had."""
    await hold_taken_for_a_booking(house, ben, ben)
    suspicions = await found(house)
    member, mending = await claim_of(house, ben), Mending.claims
    seen: list[ClaimMending] = []

    async def first_let_ben_confirm(self: Mending, site: Site, wanted: Sequence[ClaimMending]) -> int:
        seen.extend(wanted)
        assert (await ben.confirm()).status_code == 201
        return await mending(self, site, wanted)

    monkeypatch.setattr(Mending, "claims", first_let_ben_confirm)
    await house.parts.use_cases.reconciliation.rebuilding.mend({SITE: await house.site()}, suspicions)

    assert [one.entry for one in seen] == [DiaryEntry(PIA, DAY, member)]
    assert (await pias(house))[member] == BOOKED
    assert await found(house) == []


async def test_whoever_cancels_while_their_claim_is_put_back_is_freed(
    house: House, anna: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis is told that the claim has gone before it is told that it is missing."""
    await booking_forgotten(house, anna, anna)
    suspicions, assign = await found(house), Reservations.assign

    async def first_let_anna_cancel(self: Reservations, site: Site, busy: Sequence[Assignment], **more: str) -> int:
        with monkeypatch.context() as patch:
            patch.setattr(Reservations, "assign", assign)
            assert (await anna.cancel()).status_code == 200
        monkeypatch.setattr(Reservations, "assign", assign)
        return await assign(self, site, busy, **more)

    monkeypatch.setattr(Reservations, "assign", first_let_anna_cancel)
    await house.parts.use_cases.reconciliation.rebuilding.mend({SITE: await house.site()}, suspicions)

    assert await pias(house) == {}
    assert await is_free(house, BESIDE)


async def test_many_claims_are_looked_at_in_pieces_and_nothing_is_missed(
    house: House, anna: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that whatever is due meanwhile need not wait for all of them."""
    member = await claim_of(house, anna)
    ghosts = [f"ghost-{number:03}" for number in range(2 * LINES_AT_ONCE + 1)]
    await house.redis.read(*(("ZADD", PIAS, "+inf", member.replace(anna.id, ghost)) for ghost in ghosts))
    at_once: list[int] = []
    holds = Inspection.holds

    async def noting(self: Inspection, site: Site, hold_ids: Sequence[str]) -> dict[str, object]:
        at_once.append(len(hold_ids))
        return dict(await holds(self, site, hold_ids))

    monkeypatch.setattr(Inspection, "holds", noting)
    of_nobody = [one for one in await found(house) if one.kind is Kind.CLAIM]

    assert sorted(one.hold_id or "" for one in of_nobody) == ghosts
    assert max(at_once) <= LINES_AT_ONCE


async def test_claims_of_what_is_over_are_left_alone(house: House, anna: Guest) -> None:
    member = await claim_of(house, anna)
    _, of, *_ = member.split(":")
    now = datetime.now(UTC)
    until_ms = to_ms(now) - 1
    over = f"{GHOST}:{of}:{until_ms - 1}:{until_ms}:1"
    await do(house, "ZADD", OF_SITE.diary(PIA, from_ms(until_ms - 1).date()), "+inf", over)
    await do(house, "ZADD", OF_SITE.diary(PIA, (now - timedelta(days=2)).date()), "+inf", "scribbled")

    assert await found(house) == []


async def test_a_site_where_nobody_is_claimed_is_asked_for_no_diary(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("there is no diary")

    for name in ("claims", "claim_counts", "claim_scores"):
        monkeypatch.setattr(Inspection, name, never)

    assert await found(house) == []
