"""An audit finds what is wrong, changes nothing, and takes nothing for wrong that is only under way."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from sqlalchemy import delete, text, update
from sqlmodel import SQLModel

from tests.house import SITE, Guest, House, slot
from tests.store.studio import TALK
from tests.use_cases import broken
from tests.use_cases.broken import BROKEN, Break
from tests.use_cases.office import MovedClock
from widget_server.domain.bookings import BookedSeats
from widget_server.domain.sites import Site
from widget_server.engine.inspection import Inspection
from widget_server.engine.kept import KeptHold
from widget_server.engine.mending import Mending, SlotMending
from widget_server.store.tables import OrderRow, OutboxRow
from widget_server.use_cases.auditing import LINES_AT_ONCE, Auditing
from widget_server.use_cases.findings import Finding, Kind
from widget_server.use_cases.rebuilding import Rebuilt
from widget_server.use_cases.restoring import TAKEOVER_AFTER

pytestmark = pytest.mark.anyio

A_MINUTE = timedelta(minutes=1)
WHOLE_ROUND_MAX_S = 60.0


@pytest.fixture(autouse=True)
def _no_long_wait(house: House) -> None:
    auditing(house).look_again_after_s = 0.05


@pytest.fixture
async def anna(house: House) -> Guest:
    """She holds two seats where ben has booked one."""
    anna, ben = house.guest(), house.guest()
    await ben.hold()
    await ben.confirm("Ben Oak")
    await anna.hold((slot(), 2))
    return anna


def auditing(house: House) -> Auditing:
    return house.parts.use_cases.reconciliation.auditing


async def found(house: House) -> list[Finding]:
    return await auditing(house).found(await house.parts.sites.all())


async def found_before_and_after(house: House, meanwhile: Callable[[], Awaitable[None]]) -> list[Finding]:
    """As `found`, but between its two looks this happens, however long it takes."""
    sites = await house.parts.sites.all()
    suspicions = [one async for look in auditing(house).look(sites) for one in look.suspicions]
    await meanwhile()
    return await auditing(house).again(suspicions)


async def rebuilt(house: House) -> Rebuilt:
    total = Rebuilt()
    async for step in house.parts.use_cases.reconciliation.rebuilding.rebuild(await house.parts.sites.all()):
        total += step
    return total


async def dump(house: House) -> dict[str, str]:
    (names,) = await house.redis.read(("KEYS", "*"))
    contents = await house.redis.read(*(("DUMP", name) for name in sorted(names)))
    return dict(zip(sorted(names), map(str, contents), strict=True))


async def rows(house: House) -> dict[str, list[str]]:
    """All that SQL keeps, by table."""
    async with house.parts.database.snapshot() as session:
        connection = await session.connection()
        tables = SQLModel.metadata.sorted_tables
        return {table.name: [str(row) for row in await connection.execute(table.select())] for table in tables}


async def test_where_nothing_is_wrong_nothing_is_found(house: House, anna: Guest) -> None:
    pinned = house.guest()
    await pinned.hold((slot(number=1), 1), (slot(day=3), 2))
    await house.pin(pinned)
    gone = house.guest()
    await gone.hold()
    await gone.release()

    assert await found(house) == []


@pytest.mark.parametrize("break_it", BROKEN, ids=lambda break_it: break_it.__name__)
async def test_what_is_broken_is_found_and_mended_by_a_rebuild_while_serving(
    house: House, anna: Guest, break_it: Break
) -> None:
    epoch, before = (await house.site()).epoch, await house.seats()
    await break_it(house, anna)

    assert {one.kind for one in await found(house)} == BROKEN[break_it]
    assert (await rebuilt(house)).mended > 0
    assert await found(house) == []
    seats = await house.seats()
    assert (seats.booked, seats.held) == (1, 2)
    assert seats.version >= before.version, "whoever remembers what it was believes what it is"
    assert (await anna.look()).json()["hold"]["state"] in ("held", "paying"), "no hold ends"
    assert (await house.site()).epoch == epoch, "and nobody has to read everything again"
    assert (await rebuilt(house)).mended == 0


async def test_a_slot_that_many_hold_is_looked_at_in_pieces_and_nothing_is_missed(
    house: House, anna: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that whatever is due meanwhile need not wait for all of it."""
    ghosts = [f"ghost-{number:03}" for number in range(3 * LINES_AT_ONCE)]
    await house.redis.read(*(("ZADD", broken.lines_key(), "+inf", f"{ghost}:1") for ghost in ghosts))
    at_once: list[int] = []
    holds = Inspection.holds

    async def noting(self: Inspection, site: Site, hold_ids: Sequence[str]) -> dict[str, KeptHold | None]:
        at_once.append(len(hold_ids))
        return await holds(self, site, hold_ids)

    monkeypatch.setattr(Inspection, "holds", noting)
    of_nobody = [one for one in await found(house) if one.kind is Kind.LINE]

    assert sorted(one.lines for one in of_nobody) == [((ghost, 1),) for ghost in ghosts]
    assert max(at_once) == LINES_AT_ONCE


async def test_what_others_took_from_a_hold_that_is_over_is_not_given_back(house: House) -> None:
    """Nobody has swept it yet, and it still says that it holds all seats."""
    late, ben = house.guest(), house.guest()
    await late.hold(slot(TALK))
    await house.advance(timedelta(minutes=11))
    await ben.hold(slot(TALK))

    assert await found(house) == []
    doubted = SlotMending(slot(TALK), 0, 0, 0, ((late.id, 1),))
    assert await Mending(house.redis).slots(await house.site(), [doubted]) == 0
    assert (await house.seats(slot(TALK))).held == 1


@pytest.mark.parametrize(("began_ago", "kinds"), [(timedelta(hours=1), [Kind.BOOKED]), (timedelta(hours=25), [])])
async def test_a_meeting_that_has_begun_is_compared_for_as_long_as_a_filling_restores_it(
    house: House, anna: Guest, monkeypatch: pytest.MonkeyPatch, began_ago: timedelta, kinds: list[Kind]
) -> None:
    await house.deliver()
    await house.rewind(slot())
    monkeypatch.setattr(auditing(house), "_clock", MovedClock(slot().starts_at + began_ago))

    assert [one.kind for one in await found(house)] == kinds
    await rebuilt(house)
    assert (await house.seats()).booked == len(kinds)


async def test_seats_that_are_held_of_a_day_that_nobody_counts_any_more_are_no_finding(
    house: House, anna: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of somebody whose payment is seen to a week later only."""
    await house.deliver()
    await house.redis.read(("DEL", broken.OF_SITE.seats(slot().id)[0]))
    assert {one.kind for one in await found(house)} == {Kind.BOOKED, Kind.HELD}

    monkeypatch.setattr(auditing(house), "_clock", MovedClock(slot().starts_at + timedelta(days=9)))
    assert await found(house) == []


async def test_an_audit_changes_nothing(house: House, anna: Guest) -> None:
    await broken.booked_forgotten(house, anna)
    await broken.line_of_nobody(house, anna)
    await broken.budget_lost(house, anna)
    before, in_sql = await dump(house), await rows(house)

    assert await found(house)
    assert (await dump(house), await rows(house)) == (before, in_sql)


async def test_a_booking_under_way_is_no_finding(house: House, anna: Guest) -> None:
    """SQL has it, and Redis is told before the second look."""
    await broken.booked_forgotten(house, anna)
    assert await found(house) != []

    async def tell() -> None:
        site = await house.site()
        await house.engine.set_booked(site, await house.store.booked_in(site.id, [slot()]))

    assert await found_before_and_after(house, tell) == []


class Rounds:
    """How often each of some people has come and gone."""

    def __init__(self, people: int) -> None:
        self._done = [0] * people

    def over(self, number: int) -> None:
        self._done[number] += 1

    async def all_over(self) -> None:
        """Whatever any of them was in the midst of has come to its end."""
        before = list(self._done)
        async with asyncio.timeout(WHOLE_ROUND_MAX_S):
            while True:
                if all(now > then for now, then in zip(self._done, before, strict=True)):
                    return
                await asyncio.sleep(0.01)


@asynccontextmanager
async def people_coming_and_going(house: House) -> AsyncIterator[Rounds]:
    """None of whom is refused anything."""
    auditing(house).look_again_after_s = 0.2
    stop, rounds = asyncio.Event(), Rounds(6)

    async def come_and_go(number: int) -> None:
        while not stop.is_set():
            guest = house.guest()
            assert (await guest.hold((slot(number=number % 3), 1))).status_code == 201
            if number % 2:
                assert (await guest.confirm()).status_code == 201
                assert (await guest.cancel()).status_code == 200
            else:
                assert (await guest.release()).status_code == 204
            rounds.over(number)

    people = [asyncio.create_task(come_and_go(number)) for number in range(6)]
    try:
        yield rounds
    finally:
        stop.set()
        await asyncio.gather(*people)


async def test_under_load_nothing_is_found(house: House) -> None:
    """The control is every other test here: what is wrong all the time is found."""
    async with people_coming_and_going(house) as rounds:
        for _ in range(5):
            assert await found_before_and_after(house, rounds.all_over) == []


async def test_a_rebuild_under_load_mends_what_is_wrong_and_disturbs_nobody(house: House, anna: Guest) -> None:
    await house.deliver()
    async with people_coming_and_going(house) as rounds:
        for breaks in (broken.booked_forgotten, broken.held_miscounted, broken.line_of_nobody):
            await breaks(house, anna)
            assert (await rebuilt(house)).mended > 0
            assert await found_before_and_after(house, rounds.all_over) == []
    assert (await anna.confirm()).status_code == 201


async def test_a_site_that_redis_does_not_know_is_found_and_filled(house: House, anna: Guest) -> None:
    await house.flush()

    assert {one.kind for one in await found(house)} == {Kind.GATE, Kind.BOOKED}
    assert await rebuilt(house) == Rebuilt(filled=1)
    assert await found(house) == []


async def test_a_site_that_is_being_filled_is_told(house: House) -> None:
    site = await house.site()
    await house.engine.rebuild(site, site.epoch + 1, "somebody", TAKEOVER_AFTER)

    (finding,) = await found(house)
    assert (finding.kind, finding.redis, finding.sql) == (Kind.GATE, "closed, or not there", f"epoch {site.epoch}")


async def test_a_pin_that_nobody_resolves_is_found(house: House, anna: Guest) -> None:
    await house.pin(anna, window=A_MINUTE)
    assert await found(house) == []
    await house.advance(A_MINUTE * 2)

    (finding,) = await found(house)
    assert (finding.kind, finding.sql) == (Kind.PIN, "not decided")


async def test_what_sql_says_against_itself_is_found(house: House, anna: Guest) -> None:
    async with house.parts.database.transaction() as session:
        await session.exec(text("UPDATE meeting SET booked = booked + 1, version = version + 1"))  # type: ignore[call-overload]
        await session.exec(text("PRAGMA defer_foreign_keys = ON"))  # type: ignore[call-overload]
        await session.exec(text("DELETE FROM attendee"))  # type: ignore[call-overload]
        await session.exec(text("DELETE FROM booking"))  # type: ignore[call-overload]
        await session.exec(delete(OrderRow))
    await rebuilt(house)

    kinds = {one.kind: one for one in await found(house)}
    assert set(kinds) == {Kind.MEETING, Kind.OUTCOME}
    assert kinds[Kind.MEETING].sql == "2 booked of 12, and bookings of 0"


async def test_what_waits_in_the_outbox_for_long_is_found(house: House, anna: Guest) -> None:
    async with house.parts.database.transaction() as session:
        await session.exec(update(OutboxRow).values(created_at=house.parts.use_cases.bookings.now() - A_MINUTE * 2))

    (finding,) = await found(house)
    assert finding.kind is Kind.OUTBOX
    assert finding.sql.startswith("1 not told to Redis, the oldest since ")


async def test_only_the_sites_that_are_asked_for_are_looked_at(house: House, anna: Guest) -> None:
    await house.found("other")
    await broken.booked_forgotten(house, anna)

    assert await auditing(house).found([await house.site("other")]) == []
    assert {one.site_key for one in await found(house)} == {SITE}


async def test_a_later_booking_is_newer_than_what_was_mended_down(house: House, anna: Guest) -> None:
    """As after an older SQL was put back: what Redis was told by the later one counts no more."""
    await house.engine.set_booked(await house.site(), [BookedSeats(slot(), 5, 9)])
    await rebuilt(house)

    assert (await anna.confirm()).status_code == 201
    assert (await house.seats()).booked == 3
    assert await found(house) == []
