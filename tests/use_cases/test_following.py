"""How a process follows the feeds: what it has missed, what it does not hear, and what counts of its memory then."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from tests.live.test_hub import Paper
from tests.use_cases.studio import SLOTS, Studio, settled
from widget_server.engine.feed import Lost, Trimmed, Unreadable
from widget_server.errors import Fault, Unavailable
from widget_server.use_cases import availability as availabilities

pytestmark = pytest.mark.anyio


@pytest.fixture
async def studio(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Studio]:
    monkeypatch.setattr(availabilities, "_PAUSE_S", 0)
    async with Studio() as studio:
        yield studio


async def test_when_the_feed_has_a_gap_nothing_in_memory_counts_and_widgets_are_told(studio: Studio) -> None:
    await studio.month()
    (await studio.availability.watch("studio", None, "anna")).open(paper := Paper())
    studio.engine.move(SLOTS[0])
    studio.store.set_version(2)  # what has changed in the gap nobody tells us
    studio.engine.schedule_version = 2

    await studio.engine.lose()

    assert paper.news == ["reset"]
    assert await studio.versions() == studio.true_versions()
    assert (await studio.month())["schedule_version"] == 2
    studio.engine.move(SLOTS[1])
    await studio.engine.deliver()
    assert await studio.versions() == studio.true_versions()
    assert paper.news == ["reset", "seats"]


async def test_a_read_that_was_under_way_when_the_feed_had_a_gap_is_not_believed(studio: Studio) -> None:
    studio.engine.slow.clear()
    reading = asyncio.create_task(studio.month())
    await settled()
    studio.engine.move(SLOTS[0])

    await studio.engine.lose()
    studio.engine.slow.set()
    await reading

    assert await studio.versions() == studio.true_versions()


async def test_while_the_feed_is_silent_memory_is_not_asked(monkeypatch: pytest.MonkeyPatch, studio: Studio) -> None:
    await studio.month()
    monkeypatch.setattr(availabilities, "SILENT_MAX_S", -1.0)
    studio.engine.move(SLOTS[0])

    assert await studio.versions() == studio.true_versions()
    studio.engine.is_gone = True
    with pytest.raises(Unavailable):
        await studio.month()
    studio.engine.is_gone = False
    monkeypatch.undo()
    await studio.engine.deliver()
    await studio.engine.say_nothing_new()
    reads = studio.engine.reads
    assert await studio.versions() == studio.true_versions()
    assert studio.engine.reads == reads


async def test_following_begins_as_soon_as_redis_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(availabilities, "_PAUSE_S", 0)
    studio = Studio()
    studio.engine.is_gone = True
    async with studio:
        studio.engine.is_gone = False
        await settled()
        await studio.month()

        await studio.month()

    assert studio.engine.reads == 1


async def test_following_begins_anew_whatever_went_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(availabilities, "_PAUSE_S", 0)
    async with Studio() as studio:
        await studio.month()
        studio.engine.is_poisoned = True
        studio.engine.move(SLOTS[0])
        await studio.engine.deliver()
        await studio.month()
        reads = studio.engine.reads
        studio.engine.move(SLOTS[0])
        await studio.engine.deliver()

        assert await studio.versions() == studio.true_versions()
        assert studio.engine.reads == reads


@pytest.mark.parametrize(
    ("how", "logged", "losses"),
    [(Unreadable, ["feed_not_understood"], 0), (Trimmed, ["feed_read_too_late"], 0), (Lost, [], 1)],
    ids=["told by a newer version", "read too late", "gone from Redis"],
)
async def test_what_was_missed_is_read_anew_and_only_what_is_gone_from_redis_is_for_all_to_doubt(
    how: type[Lost], logged: list[str], losses: int
) -> None:
    async with Studio() as studio:
        await studio.month()
        studio.engine.move(SLOTS[0])
        with capture_logs() as logs:
            await studio.engine.lose(how)

        assert await studio.versions() == studio.true_versions()
        assert ([log["event"] for log in logs], studio.engine.losses) == (logged, losses)


async def test_what_could_not_be_worked_out_is_tried_again_also_where_others_are_told_of_all_the_time(
    monkeypatch: pytest.MonkeyPatch, studio: Studio
) -> None:
    tried: list[str] = []

    def look_again(_: str, followed_to: str) -> None:
        tried.append(followed_to)

    monkeypatch.setattr(studio.availability._retelling, "look_again", look_again)
    monkeypatch.setattr(availabilities, "_LOOK_AGAIN_S", 0.0)
    studio.engine.move(SLOTS[0], site="other")

    await studio.engine.deliver()

    assert tried == ["1001-0"]


async def test_it_is_known_that_a_feed_is_not_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(availabilities, "_PAUSE_S", 0)
    studio = Studio()
    await studio.availability.check()
    studio.engine.is_gone = True
    async with studio:
        with pytest.raises(Unavailable):
            await studio.availability.check()

        studio.engine.is_gone = False
        await settled()

        await studio.availability.check()


async def test_a_process_that_hears_some_feeds_is_ready_and_says_which_it_misses() -> None:
    async with Studio() as studio:
        await studio.availability.miss_none()
        for partition in ("t2", "t1"):
            studio.availability._following.add(partition)

        await studio.availability.check()
        with pytest.raises(Fault, match=r"not heard just now in 2 of 3 partitions: t1, t2\.$"):
            await studio.availability.miss_none()

        studio.availability._heard_at_s.clear()
        with pytest.raises(Unavailable):
            await studio.availability.check()
        await studio.availability.miss_none()
