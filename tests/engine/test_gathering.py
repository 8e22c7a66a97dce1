"""Holds that are wanted in the same moment leave as one script, and nobody can tell by their answer."""

import asyncio
import gc
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.box import CAPACITY, HOLD_LENGTH, LATE_YOGA, MASSAGE, YOGA, Box, Recorded, site, slot
from tests.engine.servers import Valkey
from widget_server.clock import to_ms
from widget_server.domain.events import SeatsMoved
from widget_server.domain.holds import Hold, Line
from widget_server.domain.policies import HOLDS_PER_VISITOR_MAX
from widget_server.domain.slots import Need, Slot
from widget_server.engine import keys
from widget_server.engine.gathering import LINES_AT_ONCE
from widget_server.engine.wire import Address
from widget_server.errors import Fault, HoldBudgetSpent, IdConflict, SlotClosed, SlotFull, Unavailable

pytestmark = pytest.mark.anyio


async def at_once(*holds: Any) -> list[Any]:
    """What becomes of each: the hold, or the kind of refusal."""
    answers = await asyncio.gather(*holds, return_exceptions=True)
    return [type(answer) if isinstance(answer, BaseException) else answer for answer in answers]


def scripts_since(box: Box, before: int) -> list[int]:
    """How many holds each script was for."""
    return [len(answer) for call, answer in box.connection.answered[before:] if call.script.name == "hold"]


async def test_they_leave_as_one_script_and_each_has_an_answer_of_its_own(box: Box) -> None:
    await box.hold("known")
    over = await box.now() - timedelta(hours=1)
    past = Slot("yoga", over, over + timedelta(minutes=30))
    before = len(box.connection.answered)

    answers = await at_once(
        box.hold("anna", Line(YOGA, 2)),
        box.hold("bert", Line(YOGA, 2)),
        box.hold("carl", MASSAGE, LATE_YOGA),
        box.hold("dora", past),
        box.hold("known"),
        box.hold("emma", Line(YOGA, 1)),
    )

    assert [answer if isinstance(answer, type) else answer.id for answer in answers] == [
        "anna", SlotFull, "carl", SlotClosed, "known", "emma",
    ]  # fmt: skip
    assert scripts_since(box, before) == [6]
    (told,) = await box.feed.tail("tenuto", 1)
    assert isinstance(told, SeatsMoved)
    assert told.hold_ids == ("anna", "carl", "emma")
    assert {slot_id: seats.held for slot_id, seats in told.seats} == {YOGA.id: 4, MASSAGE.id: 1, LATE_YOGA.id: 1}


async def test_no_more_than_there_is_room_for_are_granted(box: Box) -> None:
    answers = await at_once(*(box.hold(f"visitor {n}") for n in range(3 * LINES_AT_ONCE)))

    assert Counter(map(type, answers)) == {Hold: CAPACITY, type: 3 * LINES_AT_ONCE - CAPACITY}
    assert all(isinstance(answer, Hold) for answer in answers[:CAPACITY]), "first come, first served"
    assert (await box.seats()).held == CAPACITY


async def test_those_of_one_visitor_count_in_their_budget(box: Box) -> None:
    box.capacity = 100
    holds = [box.hold(f"hold {n}", visitor="anna", network=f"n{n}") for n in range(HOLDS_PER_VISITOR_MAX + 1)]

    answers = await at_once(*holds)

    assert answers.count(HoldBudgetSpent) == 1
    assert answers[-1] is HoldBudgetSpent


async def test_those_of_one_network_count_in_its_budget(box: Box) -> None:
    box.network_max = 3

    answers = await at_once(*(box.hold(f"hold {n}", visitor=f"v{n}", network="school") for n in range(4)))

    assert answers.count(HoldBudgetSpent) == 1
    assert answers[-1] is HoldBudgetSpent


async def test_an_id_that_is_used_twice_in_one_tick_is_one_hold(box: Box) -> None:
    before = len(box.connection.answered)

    once, again, other = await at_once(box.hold("anna"), box.hold("anna"), box.hold("anna", Line(YOGA, 2)))

    assert once.expires_at == again.expires_at
    assert other is IdConflict
    assert scripts_since(box, before) == [1, 1, 1]
    assert (await box.seats()).held == 1


async def test_a_script_is_for_so_many_lines_and_not_more(box: Box) -> None:
    box.capacity = 1_000
    before = len(box.connection.answered)

    await at_once(*(box.hold(f"visitor {n}") for n in range(LINES_AT_ONCE + 1)))
    assert scripts_since(box, before) == [LINES_AT_ONCE, 1]

    before, many = len(box.connection.answered), [slot(hour=hour) for hour in range(LINES_AT_ONCE - 1)]
    await at_once(box.hold("anna", *many), box.hold("bert", *many), box.hold("carl"))
    assert scripts_since(box, before) == [1, 2]


async def test_sites_and_schedules_have_scripts_of_their_own(box: Box) -> None:
    gallery = Box(box.connection, site("gallery"))
    await gallery.fill()
    await box.engine.raise_schedule(box.site, 2)
    before = len(box.connection.answered)

    answers = await at_once(
        box.hold("anna", schedule_version=1), box.hold("bert", schedule_version=2), gallery.hold("carl")
    )

    assert [isinstance(answer, Hold) for answer in answers] == [False, True, True]
    assert scripts_since(box, before) == [1, 1, 1]


async def test_who_needs_somebody_is_alone(box: Box) -> None:
    day = YOGA.starts_at.replace(hour=0, minute=0)
    box.needs[YOGA] = (Need(("mia", "ben"), 1, YOGA.starts_at, YOGA.ends_at, day, day + timedelta(days=1)),)
    before = len(box.connection.answered)

    answers = await at_once(*(box.hold(name) for name in ("anna", "bert", "carl")), box.hold("dora", MASSAGE))

    assert [isinstance(answer, Hold) for answer in answers] == [True, True, False, True]
    assert sorted(scripts_since(box, before)) == [1, 1, 1, 1]


async def test_who_goes_away_does_not_take_the_others_along(box: Box) -> None:
    anna, bert = (asyncio.ensure_future(box.hold(name)) for name in ("anna", "bert"))
    await asyncio.sleep(0)
    anna.cancel()

    assert (await bert).id == "bert"
    assert (await box.find("anna")).lines == (Line(YOGA, 1),), "it was on its way"


async def test_a_figure_that_nobody_can_read_is_in_the_way_of_nobody_else(box: Box) -> None:
    """Nothing is written before all of them are decided: no expired line is lost, and no budget is spent on nothing."""
    box.capacity = 2
    await box.hold("expired", Line(YOGA, 2))
    await box.advance(HOLD_LENGTH)
    for number in range(HOLDS_PER_VISITOR_MAX - 1):
        await box.hold(f"other {number}", slot(hour=2 + number), visitor="carl")
    day_key, _ = keys.of_site("tenuto", box.site.key).seats(MASSAGE.id)
    await box.connection.read(("HSET", day_key, MASSAGE.id.partition("T")[2], "scribble"))

    answers = await at_once(box.hold("anna"), box.hold("bert", MASSAGE), box.hold("carl"))

    assert answers[1] is Fault
    assert [answer.id for answer in (answers[0], answers[2])] == ["anna", "carl"]
    assert (await box.seats()).held == 2
    await box.connection.read(("HDEL", day_key, MASSAGE.id.partition("T")[2]))


async def test_a_key_that_is_no_slot_is_in_the_way_of_nobody_else(box: Box) -> None:
    box.capacity = box.network_max = 2
    _, slot_key = keys.of_site("tenuto", box.site.key).seats(MASSAGE.id)
    await box.connection.read(("SET", slot_key, "scribble"))

    first = await at_once(box.hold("anna", network="home"), box.hold("bert", MASSAGE, network="home"))
    again = await at_once(*(box.hold(name, MASSAGE, network="home") for name in ("carl", "dora")))
    last = await at_once(box.hold("emma", network="home"))

    assert [first[1], *again] == [Fault, Fault, Fault]
    assert [answer.id for answer in (first[0], last[0])] == ["anna", "emma"]
    told = [update.hold_ids for update in await box.feed.tail("tenuto", 2) if isinstance(update, SeatsMoved)]
    assert told == [("anna",), ("emma",)]
    await box.connection.read(("DEL", slot_key))


async def test_a_call_that_cannot_leave_keeps_nobody_waiting(box: Box) -> None:
    async with asyncio.timeout(60):
        answers = await at_once(box.hold("anna"), box.hold("bert", visitor="\ud800"))

    assert answers == [UnicodeEncodeError, UnicodeEncodeError]


async def test_whoever_asks_first_is_first_though_the_next_needs_somebody(box: Box) -> None:
    box.capacity = 1
    day = MASSAGE.starts_at.replace(hour=0, minute=0)
    box.needs[MASSAGE] = (Need(("mia",), 1, MASSAGE.starts_at, MASSAGE.ends_at, day, day + timedelta(days=1)),)

    anna, bert = await at_once(box.hold("anna"), box.hold("bert", YOGA, MASSAGE))

    assert anna.id == "anna"
    assert bert is SlotFull


async def test_a_line_that_is_there_already_is_not_counted_again(box: Box) -> None:
    """As where a script broke off once, and left it without its hold."""
    _, slot_key = keys.of_site("tenuto", box.site.key).seats(YOGA.id)
    until = to_ms(await box.now() + HOLD_LENGTH)
    await box.connection.read(("ZADD", slot_key, until, "anna:1"))

    await at_once(box.hold("anna"), box.hold("bert"))

    assert (await box.seats()).held == 2


async def test_a_redis_that_has_forgotten_its_scripts_is_told_them(box: Box) -> None:
    await box.connection.read(("SCRIPT", "FLUSH"))

    answers = await at_once(*(box.hold(name) for name in ("anna", "bert")))

    assert [answer.id for answer in answers] == ["anna", "bert"]


async def test_where_nobody_answers_each_is_told_so() -> None:
    box = Box(Recorded(Address("redis://127.0.0.1:1"), patience_s=0.05))

    answers = await asyncio.gather(*(box.hold(name) for name in ("anna", "bert")), return_exceptions=True)

    assert [type(answer) for answer in answers] == [Unavailable, Unavailable]
    assert answers[0] is not answers[1], "what is raised twice keeps the traces of both"
    await box.connection.close()


async def test_for_those_who_have_gone_nobody_asks_again_nor_complains() -> None:
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    box = Box(Recorded(Address("redis://127.0.0.1:1"), patience_s=0.05))
    holds = [asyncio.ensure_future(box.hold(name)) for name in ("anna", "bert")]
    await asyncio.sleep(0)
    for hold in holds:
        hold.cancel()
    await asyncio.gather(*holds, return_exceptions=True)

    await asyncio.sleep(0.1)
    gc.collect()
    await asyncio.sleep(0)

    assert complaints == []
    asyncio.get_running_loop().set_exception_handler(None)
    await box.connection.close()


NAMES = st.sampled_from(["anna", "bert", "carl", "dora", "emma"])
WANTED = st.tuples(
    NAMES,
    st.lists(st.tuples(st.sampled_from([YOGA, LATE_YOGA, MASSAGE]), st.integers(1, 3)), min_size=1, max_size=2,
             unique_by=lambda line: line[0]),
    st.sampled_from(["one", "two"]),
    st.sampled_from(["home", "school"]),
)  # fmt: skip


@pytest.mark.parametrize("server", ["valkey", "oldest_redis"])
def test_together_they_get_and_leave_what_they_would_one_after_another(
    server: str, request: pytest.FixtureRequest
) -> None:
    found: Valkey = request.getfixturevalue(server)

    @settings(
        max_examples=60,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(before=st.lists(WANTED, max_size=5), together=st.lists(WANTED, min_size=2, max_size=8))
    def compare(before: list[Any], together: list[Any]) -> None:
        asyncio.run(_compare(found.url, before, together))

    compare()


async def _compare(url: str, before: list[Any], together: list[Any]) -> None:
    connection = Recorded(Address(url))
    try:
        apart = await _told(connection, before, together, is_at_once=False)
        assert await _told(connection, before, together, is_at_once=True) == apart
    finally:
        await connection.close()


async def _told(connection: Recorded, before: list[Any], together: list[Any], *, is_at_once: bool) -> Any:
    """Answers, seats, lines and budgets: of a site where half of those who came before have expired."""
    await connection.read(("FLUSHALL",))
    box = Box(connection)
    await box.fill()
    box.network_max = 3
    for number, one in enumerate(before):
        await at_once(_hold(box, *one))
        # Which expired line goes first is then the same, however fast this machine is.
        await box.advance(HOLD_LENGTH if number == len(before) // 2 else timedelta(seconds=1))
    holds = [_hold(box, *one) for one in together]
    answers = await at_once(*holds) if is_at_once else [(await at_once(one))[0] for one in holds]
    await box.counts_are_right()
    of_site = keys.of_site("tenuto", box.site.key)
    sets = [of_site.seats(one.id)[1] for one in (YOGA, LATE_YOGA, MASSAGE)]
    sets += [of_site.visitor(who) for who in ("one", "two")] + [of_site.network(who) for who in ("home", "school")]
    members = await connection.read(*(("ZRANGE", key, 0, -1) for key in [*sets, "{tenuto}:due"]))
    shown = [answer if isinstance(answer, type) else (answer.id, answer.lines, answer.version) for answer in answers]
    return (
        shown,
        [sorted(each) for each in members],
        [(await box.seats(one)).held for one in (YOGA, LATE_YOGA, MASSAGE)],
    )


def _hold(box: Box, name: str, lines: list[tuple[Slot, int]], visitor: str, network: str) -> Any:
    return box.hold(name, *(Line(*line) for line in lines), visitor=visitor, network=network)
