"""What a month answers, from memory or read anew, and that it is always what is so."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.live.test_hub import Paper
from tests.use_cases.studio import FIRST, LAST, NOW, SLOTS, Studio, settled
from widget_server.domain.sites import Site
from widget_server.domain.slots import Slot
from widget_server.errors import InvalidRequest, NotFound
from widget_server.use_cases import availability as availabilities
from widget_server.use_cases import known_seats

pytestmark = pytest.mark.anyio


@pytest.fixture
async def studio(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Studio]:
    monkeypatch.setattr(availabilities, "_PAUSE_S", 0)
    async with Studio() as studio:
        yield studio


async def test_a_month_says_what_is_left_of_every_slot(studio: Studio) -> None:
    studio.engine.move(SLOTS[0], held=2)

    answer = await studio.month()

    slots = answer.pop("slots")
    assert answer == {
        "service": "yoga",
        "zone": "Europe/Berlin",
        "from": "2026-11-21",
        "to": "2026-11-23",
        "notice_minutes": 0,
        "epoch": 1,
        "schedule_version": 1,
        "feed_id": "1.1000-0",
        "why_not": {},
    }
    assert [slot["id"] for slot in slots] == [f"yoga.202611{d}T{h:02}00Z.60" for d in (21, 22, 23) for h in (8, 9, 10)]
    assert [slot["state"] for slot in slots] == ["closed"] * 2 + ["open"] * 7
    assert slots[3] == {
        "id": SLOTS[0],
        "starts_at": "2026-11-22T08:00:00Z",
        "ends_at": "2026-11-22T09:00:00Z",
        "capacity": 11,
        "held": 2,
        "booked": 1,
        "left": 8,
        "state": "open",
        "version": 1,
        "frees_at": "2026-11-21T09:39:00Z",
    }
    assert slots[4]["left"] == 11
    assert slots[4]["frees_at"] is None


async def test_a_warm_process_answers_from_memory(studio: Studio) -> None:
    await studio.month()
    asked = studio.engine.reads, studio.store.reads

    months = [await studio.availability.month("studio", "yoga", FIRST, LAST) for _ in range(10)]

    assert (studio.engine.reads, studio.store.reads) == asked
    assert len({id(month.body) for month in months}) == 1


async def test_an_update_of_the_feed_is_in_the_next_answer(studio: Studio) -> None:
    before = await studio.availability.month("studio", "yoga", FIRST, LAST)
    studio.engine.move(SLOTS[1])
    await studio.engine.deliver()
    reads = studio.engine.reads

    after = await studio.availability.month("studio", "yoga", FIRST, LAST)

    assert studio.engine.reads == reads
    assert await studio.versions() == {SLOTS[1]: 1}
    assert after.etag != before.etag
    assert (await studio.month())["feed_id"] == "1.1001-0"


async def test_an_update_that_comes_while_the_month_is_read_is_not_lost(studio: Studio) -> None:
    studio.engine.slow.clear()
    reading = asyncio.create_task(studio.month())
    await settled()

    studio.engine.move(SLOTS[0])
    await studio.engine.deliver()
    studio.engine.slow.set()
    answer = await reading

    assert [slot["version"] for slot in answer["slots"] if slot["id"] == SLOTS[0]] == [1]
    assert await studio.versions() == studio.true_versions()


async def test_a_read_that_has_seen_more_than_the_feed_told_is_not_undone(studio: Studio) -> None:
    studio.engine.move(SLOTS[0])
    studio.engine.move(SLOTS[0])
    assert await studio.versions() == {SLOTS[0]: 2}

    await studio.engine.deliver(1)

    assert await studio.versions() == {SLOTS[0]: 2}


async def test_hundreds_who_open_at_once_read_once(studio: Studio) -> None:
    studio.engine.slow.clear()
    reading = [asyncio.create_task(studio.month()) for _ in range(200)]
    await settled()

    studio.engine.slow.set()
    answers = await asyncio.gather(*reading)

    assert studio.engine.reads == 1
    assert all(answer == answers[0] for answer in answers)


async def test_a_slot_closes_when_its_minute_comes_although_nothing_has_moved(studio: Studio) -> None:
    before = await studio.month()
    studio.clock.at = Slot.parse(SLOTS[0]).starts_at

    after = await studio.month()

    states = [[s["state"] for s in answer["slots"] if s["id"] == SLOTS[0]] for answer in (before, after)]
    assert states == [["open"], ["closed"]]


async def test_a_day_that_fills_says_so_and_no_more_once_a_seat_is_free(studio: Studio) -> None:
    await studio.month()
    for slot in SLOTS[:3]:
        studio.engine.move(slot, held=11)
    await studio.engine.deliver()
    assert (await studio.month())["why_not"] == {"2026-11-22": "all_held"}

    studio.engine.move(SLOTS[1], held=0)
    await studio.engine.deliver()

    assert (await studio.month())["why_not"] == {}


async def test_the_etag_stays_while_nothing_in_the_answer_changes(studio: Studio) -> None:
    before = (await studio.availability.month("studio", "yoga", FIRST, LAST)).etag
    studio.clock.at = NOW + timedelta(minutes=3)
    studio.engine.move("yoga.20261221T0800Z.60")
    studio.engine.move(SLOTS[0], site="other")
    await studio.engine.deliver()

    assert (await studio.availability.month("studio", "yoga", FIRST, LAST)).etag == before


async def test_without_the_feed_every_answer_is_read_anew() -> None:
    studio = Studio()
    for _ in range(3):
        studio.engine.move(SLOTS[0])
        assert await studio.versions() == studio.true_versions()
        assert (await studio.month())["feed_id"] == f"1.{1000 + len(studio.engine.written)}-0"

    assert studio.engine.reads == 6


async def test_without_the_feed_a_changed_schedule_is_noticed_by_the_gate() -> None:
    studio = Studio()
    await studio.month()

    studio.store.set_version(2)
    studio.engine.schedule_version = 2

    assert (await studio.month())["schedule_version"] == 2


async def test_an_empty_redis_is_filled_by_whoever_reads(studio: Studio) -> None:
    studio.engine.is_empty = True

    assert len((await studio.month())["slots"]) == 9
    assert studio.engine.fillings == 1


async def test_after_a_reset_versions_start_again(studio: Studio) -> None:
    studio.engine.move(SLOTS[0])
    studio.engine.move(SLOTS[0])
    assert await studio.versions() == {SLOTS[0]: 2}

    studio.reset()
    studio.engine.move(SLOTS[0])
    await studio.engine.deliver()

    assert await studio.versions() == {SLOTS[0]: 1}
    assert (await studio.month())["epoch"] == 2


async def test_a_read_of_a_newer_epoch_than_the_feed_has_told_is_believed(studio: Studio) -> None:
    await studio.month()
    studio.engine.move(SLOTS[0])
    studio.reset()
    studio.engine.move(SLOTS[1])
    studio.engine.slow.clear()
    reading = asyncio.create_task(studio.month(first=FIRST - timedelta(days=3)))
    await settled()
    studio.engine.slow.set()

    answer = await reading
    await studio.engine.deliver()

    assert answer["epoch"] == 2
    assert await studio.versions() == {SLOTS[1]: 1}


async def test_a_changed_schedule_is_answered_as_soon_as_the_gate_is_raised(studio: Studio) -> None:
    assert (await studio.month())["schedule_version"] == 1
    (await studio.availability.watch("studio", None, "anna")).open(paper := Paper())

    studio.engine.raise_schedule()
    await studio.engine.deliver()
    answer = await studio.month()

    assert answer["schedule_version"] == 2
    assert {slot["capacity"] for slot in answer["slots"]} == {12}
    assert paper.news == ["schedule"]


async def test_a_change_of_schedule_is_read_once_by_all_who_ask(studio: Studio) -> None:
    await studio.month()
    studio.engine.raise_schedule()
    await studio.engine.deliver()
    reads = studio.store.reads

    answers = await asyncio.gather(*(studio.month() for _ in range(50)))

    assert {answer["schedule_version"] for answer in answers} == {2}
    assert studio.engine.reads == 1
    assert studio.store.reads - reads <= 52


async def test_seats_are_read_on_while_sql_does_not_keep_up_with_the_gate(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The feed, too, reads what it has to work out for others: it may not wait there for SQL."""
    answers, catch_up = asyncio.Event(), studio.store.catch_up

    async def slowly(site: Site, gate_version: int) -> None:
        await answers.wait()
        await catch_up(site, gate_version)

    monkeypatch.setattr(studio.store, "catch_up", slowly)
    studio.engine.schedule_version = 2
    asking = [asyncio.create_task(studio.month())]
    await settled()
    asking.append(asyncio.create_task(studio.month(first=LAST + timedelta(days=1), last=LAST + timedelta(days=2))))
    await settled()

    assert (studio.engine.reads, [task.done() for task in asking]) == (2, [False, False])
    answers.set()
    assert {answer["schedule_version"] for answer in await asyncio.gather(*asking)} == {2}


async def test_widgets_of_another_site_hear_nothing(studio: Studio) -> None:
    (await studio.availability.watch("studio", None, "anna")).open(paper := Paper())

    studio.engine.move(SLOTS[0], site="other")
    await studio.engine.deliver()

    assert paper.news == []


async def test_a_widget_that_read_a_month_is_told_all_that_came_after(studio: Studio) -> None:
    feed_id = (await studio.month())["feed_id"]
    studio.engine.move(SLOTS[0])
    await studio.engine.deliver()

    (await studio.availability.watch("studio", feed_id, "anna")).open(paper := Paper())

    assert paper.news == ["seats"]


async def test_a_widget_that_read_a_month_need_not_read_it_again_where_another_site_moved_last(studio: Studio) -> None:
    studio.engine.move(SLOTS[0])
    studio.engine.move(SLOTS[0], site="other")
    await studio.engine.deliver()

    reader = await studio.availability.watch("studio", (await studio.month())["feed_id"], "anna")
    reader.open(paper := Paper())

    assert paper.news == []


async def test_a_process_that_has_just_started_knows_what_happened_before() -> None:
    studio = Studio()
    for _ in range(3):
        studio.engine.move(SLOTS[0])
    async with studio:
        (await studio.availability.watch("studio", "1.1001-0", "anna")).open(known := Paper())
        (await studio.availability.watch("studio", "1.1000-0", "anna")).open(too_old := Paper())

        assert known.news == ["seats"]
        assert too_old.news[0] == "reset"


async def test_days_and_sites_beyond_a_number_are_forgotten(monkeypatch: pytest.MonkeyPatch, studio: Studio) -> None:
    monkeypatch.setattr(known_seats, "DAYS_MAX", 4)
    monkeypatch.setattr(availabilities, "SITES_MAX", 1)
    monkeypatch.setattr(availabilities, "SHEETS_MAX", 2)

    for days in range(6):
        await studio.month(first=FIRST + timedelta(days=days), last=FIRST + timedelta(days=days + 1))
        assert len(studio.availability._known["studio"]._days) <= 4
        assert len(studio.availability._sheets) <= 2
    await studio.month("other")
    assert list(studio.availability._known) == ["other"]
    studio.engine.move(SLOTS[0])
    await studio.engine.deliver()
    assert await studio.versions() == studio.true_versions()


async def test_without_the_feed_a_service_that_was_just_added_is_found() -> None:
    studio = Studio()
    studio.store.services = ()
    with pytest.raises(NotFound):
        await studio.month()

    studio.store.services = ("yoga",)

    assert (await studio.month())["slots"]


@pytest.mark.parametrize(
    ("site", "service", "first", "refusal"),
    [
        ("nowhere", "yoga", FIRST, NotFound),
        ("studio", "chess", FIRST, NotFound),
        ("studio", "yoga", LAST + timedelta(days=1), InvalidRequest),
        ("studio", "yoga", LAST - timedelta(days=31), InvalidRequest),
        ("studio", "yoga", date.min, InvalidRequest),
    ],
)
async def test_what_cannot_be_read_is_refused(
    studio: Studio, site: str, service: str, first: date, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        await studio.availability.month(site, service, first, LAST)


async def test_watching_a_site_that_does_not_exist_is_refused(studio: Studio) -> None:
    with pytest.raises(NotFound):
        await studio.availability.watch("nowhere", None, "anna")


STEPS = st.one_of(
    st.tuples(st.just("move"), st.integers(0, len(SLOTS) - 1)),
    st.tuples(st.just("deliver"), st.integers(1, 3)),
    st.tuples(st.just("read"), st.integers(0, 2)),
    st.tuples(st.sampled_from(["stall", "go on", "reset", "raise", "lose"]), st.just(0)),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_whatever_happened_a_warm_answer_is_what_a_fresh_read_would_say(steps: list[tuple[str, int]]) -> None:
    asyncio.run(_live_through(steps))


async def _live_through(steps: list[tuple[str, int]]) -> None:
    async with Studio() as studio:
        reading: list[asyncio.Task[object]] = []
        for what, number in steps:
            match what:
                case "read":
                    reading.append(asyncio.create_task(studio.month(first=FIRST + timedelta(days=number))))
                    await settled()
                case "deliver":
                    await studio.engine.deliver(number)
                case "lose":
                    await studio.engine.lose()
                case _:
                    _do(studio, what, number)
        studio.engine.slow.set()
        await asyncio.gather(*reading)
        await studio.engine.deliver()

        answer = await studio.month()

        assert await studio.versions() == studio.true_versions()
        assert answer["epoch"] == studio.engine.epoch
        assert answer["schedule_version"] == studio.engine.schedule_version


def _do(studio: Studio, what: str, number: int) -> None:
    match what:
        case "move":
            studio.engine.move(SLOTS[number])
        case "stall":
            studio.engine.slow.clear()
        case "go on":
            studio.engine.slow.set()
        case "reset":
            studio.reset()
        case "raise":
            studio.engine.raise_schedule()
