"""Every word that a script's header promises is answered here, twice, and the second time nothing more happens."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.engine.box import CAPACITY, HOLD_LENGTH, MASSAGE, TAKEOVER, WINDOW, YOGA, Box, days_of
from tests.engine.headers import HEADERS
from widget_server.domain.attempts import WaitingPin
from widget_server.domain.bookings import BookedSeats
from widget_server.domain.claims import Assignment
from widget_server.domain.holds import Line
from widget_server.domain.slots import OfferedSlot, Slot
from widget_server.engine import calls, mending
from widget_server.engine.kept import DiaryEntry, KeptHold, nobody
from widget_server.errors import Refusal, Stale

pytestmark = pytest.mark.anyio

ANNAS = "secret of anna"
Step = Callable[[Box], Awaitable[Any]]


def hold(name: str = "anna", *lines: Line, **others: Any) -> Step:
    return lambda box: box.hold(name, *lines, **others)


def pin(attempt: str = "first", **others: Any) -> Step:
    return lambda box: box.pin("anna", attempt=attempt, **others)


def unpin(fence: int = 1, *, release: bool = False) -> Step:
    return lambda box: box.unpin("anna", fence=fence, release=release)


def commit(fence: int = 1) -> Step:
    return lambda box: box.commit("anna", BookedSeats(YOGA, 1, 1), fence=fence)


def wait(length: timedelta = HOLD_LENGTH) -> Step:
    return lambda box: box.advance(length)


def rebuild(rebuilder: str = "second", epoch: int = 1, **others: Any) -> Step:
    return lambda box: box.engine.rebuild(box.site, epoch, rebuilder, TAKEOVER, **others)


def renew(version: int = 1) -> Step:
    return lambda box: box.renew("anna", version=version)


def change(*lines: Line | Slot) -> Step:
    return lambda box: box.change("anna", *lines)


def change_unread(secret: str = ANNAS) -> Step:
    return run(
        lambda box: calls.change(
            box.site, unread(box), secret, [TWO], [OfferedSlot(YOGA, CAPACITY)], schedule_version=1, version=1
        )
    )


def run(call: Callable[[Box], calls.Call]) -> Step:
    return lambda box: box.connection.run(call(box))


def raise_schedule(to: int = 2) -> Step:
    return lambda box: box.engine.raise_schedule(box.site, to)


async def release(box: Box) -> None:
    await box.release("anna")


async def sweep(box: Box) -> None:
    await box.sweep()


async def wipe(box: Box) -> None:
    await box.connection.read(("FLUSHALL",))


async def set_booked(box: Box) -> None:
    await box.engine.set_booked(box.site, [BookedSeats(YOGA, 2, 1)])


async def settle(box: Box) -> None:
    await box.engine.settle(box.site, 1)


async def restore_unread(box: Box) -> None:
    """Without the lines that the engine itself would come to ask for."""
    days = days_of([BookedSeats(YOGA, 2, 1)])
    await box.connection.run(calls.restore(box.site, rebuilder="second", takeover=TAKEOVER, days=days, lines={}))


async def restore(box: Box) -> None:
    await box.engine.restore(box.site, "second", TAKEOVER, days_of([BookedSeats(YOGA, 2, 1)]))


async def open_gate(box: Box) -> None:
    await box.engine.open(box.site, "second", 1)


def restore_pin(visitor: str = "anna") -> Step:
    pin = WaitingPin("anna", ANNAS, "first", 1, YOGA.starts_at, (Line(YOGA, 1),), "anna", "anna")
    return run(
        lambda box: calls.restore_pin(
            box.site,
            replace(unread(box), visitor=visitor),
            pin,
            [OfferedSlot(YOGA, CAPACITY)],
            rebuilder="second",
            window=WINDOW,
            left=WINDOW,
        )
    )


def unread(box: Box) -> KeptHold:
    """Anna's hold as somebody may think of it who has not read it lately: one seat of yoga."""
    return replace(nobody(box.site.key, "anna"), lines=(Line(YOGA, 1),), visitor="anna", network="anna")


def renew_unread(secret: str = ANNAS) -> Step:
    return run(lambda box: calls.renew(box.site, unread(box), secret, version=1, deadline_ms=10**13))


def release_unread(secret: str = ANNAS) -> Step:
    return run(lambda box: calls.release(box.site, unread(box), secret))


def unpin_unread(box: Box) -> Awaitable[Any]:
    return box.connection.run(calls.unpin(box.site, unread(box), fence=1, release=True, min_left=timedelta(0)))


def commit_unread(box: Box) -> Awaitable[Any]:
    return box.connection.run(calls.commit(box.site, unread(box), fence=1, booked=[BookedSeats(YOGA, 1, 1)]))


def pin_unread(secret: str = ANNAS) -> Step:
    return run(
        lambda box: calls.pin(
            box.site,
            unread(box),
            [OfferedSlot(YOGA, CAPACITY)],
            schedule_version=1,
            secret_hash=secret,
            attempt="first",
            window=WINDOW,
            pins_max=3,
        )
    )


async def until_it_nearly_begins(box: Box) -> None:
    await box.advance(YOGA.starts_at - await box.now() - timedelta(minutes=1))


def mend_slot(*doubted: tuple[str, int]) -> Step:
    return run(lambda box: mending.mend_slot(box.site, mending.SlotMending(YOGA, 0, 0, 0, doubted)))


def mend_hold() -> Step:
    return run(lambda box: mending.mend_hold(box.site, mending.HoldMending("anna", "anna", "anna")))


def assign(rebuilder: str = "") -> Step:
    serves = Assignment("anna", "staff/pia", YOGA, YOGA.starts_at, YOGA.ends_at, 1)
    return run(lambda box: calls.assign(box.site, [serves], rebuilder=rebuilder))


def mend_claim() -> Step:
    """Anna's hold names no claim: this one is nobody's."""
    entry = DiaryEntry("staff/pia", YOGA.starts_at.date(), "anna:yoga:1:2:1")
    return run(lambda box: mending.mend_claim(box.site, mending.ClaimMending(entry, 1)))


async def scribble(box: Box) -> None:
    day = YOGA.starts_at.date()
    await box.connection.read(("ZADD", f"{{tenuto}}:studio:diary:staff/pia:{day:%Y%m%d}", 1, "anna:yoga:1:2:1"))


async def lose_lines(box: Box) -> None:
    await box.connection.read(("DEL", f"{{tenuto}}:studio:slot:{YOGA.id}"))


async def lose_due(box: Box) -> None:
    await box.connection.read(("DEL", "{tenuto}:due"))


TWO = Line(YOGA, 2)
SCENARIOS: dict[tuple[str, str], tuple[Step, ...]] = {
    ("hold", "HELD"): (hold(),),
    ("hold", "PAYING"): (hold(), pin(), hold()),
    ("hold", "ID_CONFLICT"): (hold(), hold("anna", TWO)),
    ("hold", "ENDED"): (hold(), release, hold()),
    ("hold", "STALE_SCHEDULE"): (raise_schedule(), hold()),
    ("hold", "CLOSED"): (wait(timedelta(days=3)), hold()),
    ("hold", "LIMIT"): (*(hold(str(n), visitor="anna") for n in range(4)),),
    ("hold", "FULL"): (hold("ben", Line(YOGA, CAPACITY)), hold()),
    ("hold", "NOT_LOADED"): (wipe, hold()),
    ("renew", "RENEWED"): (hold(), renew()),
    ("renew", "ENDED"): (hold(), wait(), renew()),
    ("renew", "NOT_YOURS"): (hold(), renew_unread("a guess")),
    ("renew", "PAYING"): (hold(), pin(), renew()),
    ("renew", "MOVED"): (hold("anna", TWO), renew_unread()),
    ("renew", "NOT_LOADED"): (hold(), wipe, renew_unread()),
    ("change", "CHANGED"): (hold(), change(TWO)),
    ("change", "ENDED"): (hold(), release, change(TWO)),
    ("change", "NOT_YOURS"): (hold(), change_unread("a guess")),
    ("change", "PAYING"): (hold(), pin(), change(TWO)),
    ("change", "MOVED"): (hold(), renew(), change(TWO)),
    ("change", "STALE_SCHEDULE"): (hold(), raise_schedule(), change(TWO)),
    ("change", "CLOSED"): (wait(YOGA.starts_at - datetime.now(UTC)), hold("anna", Line(MASSAGE, 1)), change(YOGA)),
    ("change", "FULL"): (hold(), hold("ben", Line(YOGA, CAPACITY - 1)), change(TWO)),
    ("change", "NOT_LOADED"): (wipe, change_unread()),
    ("release", "RELEASED"): (hold(), release),
    ("release", "ENDED"): (hold(), wait(), release),
    ("release", "NOT_YOURS"): (hold(), release_unread("a guess")),
    ("release", "PAYING"): (hold(), pin(), release),
    ("release", "MOVED"): (hold("anna", TWO), release_unread()),
    ("release", "NOT_LOADED"): (wipe, release_unread()),
    ("pin", "PINNED"): (hold(), pin()),
    ("pin", "ENDED"): (pin_unread(),),
    ("pin", "NOT_YOURS"): (hold(), pin_unread("a guess")),
    ("pin", "PAYING"): (hold(), pin("card"), pin("other card")),
    ("pin", "MOVED"): (hold("anna", TWO), pin_unread()),
    ("pin", "STALE_SCHEDULE"): (hold(), raise_schedule(), pin()),
    ("pin", "LIMIT"): (hold(), pin("a"), unpin(1), pin("b"), unpin(2), pin("c"), unpin(3), pin("d")),
    ("pin", "CLOSED"): (until_it_nearly_begins, hold(), wait(), sweep, pin()),
    ("pin", "FULL"): (hold(), wait(), hold("ben", Line(YOGA, CAPACITY)), pin()),
    ("pin", "NOT_LOADED"): (wipe, pin_unread()),
    ("unpin", "HELD"): (hold(), pin(), unpin()),
    ("unpin", "RELEASED"): (hold(), pin(), unpin(release=True)),
    ("unpin", "STALE"): (hold(), pin(), unpin(2)),
    ("unpin", "NOT_LOADED"): (wipe, unpin_unread),
    ("commit", "COMMITTED"): (hold(), pin(), commit()),
    ("commit", "STALE"): (hold(), pin(), commit(2)),
    ("commit", "ENDED"): (hold(), release, commit()),
    ("commit", "MOVED"): (hold("anna", TWO), pin(), commit_unread),
    ("commit", "NOT_LOADED"): (wipe, commit_unread),
    ("set_booked", "SET"): (set_booked,),
    ("set_booked", "NOT_LOADED"): (wipe, set_booked),
    ("raise", "RAISED"): (raise_schedule(),),
    ("raise", "STALE"): (raise_schedule(), raise_schedule()),
    ("raise", "NOT_LOADED"): (wipe, raise_schedule()),
    ("settle", "SETTLED"): (settle,),
    ("settle", "NOT_LOADED"): (wipe, settle),
    ("rebuild", "TAKEN"): (rebuild(),),
    ("rebuild", "FILLED"): (rebuild(enough=1),),
    ("rebuild", "BUSY"): (rebuild(), rebuild("third")),
    ("restore", "RESTORED"): (rebuild(), restore),
    ("restore", "UNCOUNTED"): (hold(), rebuild(), restore_unread),
    ("restore", "NOT_YOURS"): (rebuild("third"), restore),
    ("restore_pin", "PINNED"): (rebuild(), restore_pin()),
    ("restore_pin", "GONE"): (hold(), release, rebuild(), restore_pin()),
    ("restore_pin", "MOVED"): (hold(), rebuild(), restore_pin(visitor="somebody else")),
    ("restore_pin", "NOT_YOURS"): (rebuild("third"), restore_pin()),
    ("mend_slot", "RIGHT"): (hold(), lose_lines, mend_slot(("anna", 1))),
    ("mend_slot", "NOT_LOADED"): (wipe, mend_slot()),
    ("mend_hold", "RIGHT"): (hold(), lose_due, mend_hold()),
    ("mend_hold", "NOT_LOADED"): (wipe, mend_hold()),
    ("assign", "ASSIGNED"): (assign(),),
    ("assign", "NOT_YOURS"): (rebuild("third"), assign("second")),
    ("assign", "NOT_LOADED"): (wipe, assign()),
    ("mend_claim", "RIGHT"): (hold(), scribble, mend_claim()),
    ("mend_claim", "NOT_LOADED"): (wipe, mend_claim()),
    ("open", "OPENED"): (rebuild(), open_gate),
    ("open", "NOT_YOURS"): (rebuild("third"), open_gate),
}


def test_every_word_of_every_header_is_answered_here() -> None:
    assert set(SCENARIOS) == {(verb, word) for verb, header in HEADERS.items() for word in header.words}


@pytest.mark.parametrize(("verb", "word"), SCENARIOS)
async def test_the_same_call_gets_the_same_answer_and_changes_nothing(box: Box, verb: str, word: str) -> None:
    for step in SCENARIOS[verb, word]:
        with suppress(Refusal, Stale):
            await step(box)
    call, answers = box.connection.answered[-1]
    told = await box.feed.last_id("tenuto")

    answered_again = await box.connection.run(call)

    ((answer,), (again,)) = (answers, answered_again) if verb == "hold" else ([answers], [answered_again])
    assert (call.script.name, answer[0]) == (verb, word)
    assert lasting(HEADERS[verb].words[word], again) == lasting(HEADERS[verb].words[word], answer)
    assert verb == "settle" or await box.feed.last_id("tenuto") == told


async def test_a_pin_whose_lines_are_others_is_not_undone(box: Box) -> None:
    await box.hold("anna", TWO)
    await box.pin("anna")

    assert await unpin_unread(box) == ["STALE"]
    assert (await box.seats()).held == 2


def lasting(names: list[str], answer: list[Any]) -> list[Any]:
    """Without the moment, and whether anything had to be mended: the second time there is nothing left to mend."""
    passing = {"now", "mended"}
    return [part for name, part in zip(["code", *names], answer, strict=True) if name not in passing]
