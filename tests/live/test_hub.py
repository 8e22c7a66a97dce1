import asyncio
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.live.updates import StoppedClock, events, seats_moved, slot_id, versions
from widget_server.domain.events import ScheduleMoved, SiteReset
from widget_server.errors import Unavailable
from widget_server.live import heard as hearing
from widget_server.live import hub as hubs
from widget_server.live.channel import Reader
from widget_server.live.hub import Hub

pytestmark = pytest.mark.anyio


class Paper:
    """A pen that writes into memory, and can be told to be as slow as a bad connection."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.is_slow = self.was_cut = self.has_ended = False
        self.trouble: Exception | None = None
        self.problem: Exception | None = None

    def write(self, chunk: bytes, *, last: bool = False) -> bool:
        if self.trouble is not None:
            raise self.trouble
        self.chunks.append(chunk)
        self.has_ended |= last
        return not self.is_slow

    def cut(self, problem: Exception | None = None) -> None:
        self.was_cut, self.problem = True, problem

    @property
    def text(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def news(self) -> list[str]:
        return [event.name for event in events(self.text) if event.name != "hello"]


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub(clock=StoppedClock())
    hub.follow_from("tenuto", "0-0")
    yield hub
    hub.goodbye()


def subscribe(hub: Hub, last_event_id: str | None = None, *, site: str = "studio", network: str = "anna") -> Reader:
    return hub.subscribe(site, last_event_id, partition="tenuto", epoch=1, network=network)


def watch(hub: Hub, last_event_id: str | None = None, *, site: str = "studio") -> tuple[Reader, Paper]:
    reader, paper = subscribe(hub, last_event_id, site=site), Paper()
    reader.open(paper)
    return reader, paper


def retry_ms_of(text: bytes) -> int:
    return int(text.split(b"\n")[0].removeprefix(b"retry: "))


async def all_told() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


async def test_a_reader_is_greeted_with_the_time_and_when_to_come_back(hub: Hub) -> None:
    _, paper = watch(hub)

    assert events(paper.text)[0].data == {"server_now": "2026-11-21T09:30:00Z"}
    assert events(paper.text)[0].id is None
    assert hubs.RETRY_MS_MIN <= retry_ms_of(paper.text) < hubs.RETRY_MS_MAX
    assert paper.news == []


async def test_all_who_lose_their_server_at_once_come_back_spread_over_five_seconds(hub: Hub) -> None:
    """In each of them about as many as in any other: of 500 a hundred, give or take nine."""
    waits_ms = [retry_ms_of(hub.greeting()) for _ in range(500)]

    in_second = Counter(wait_ms // 1000 for wait_ms in waits_ms)
    assert in_second.keys() == {1, 2, 3, 4, 5}
    assert min(in_second.values()) >= 50
    assert max(Counter(waits_ms).values()) <= 10, "nor do many come in the same millisecond"


async def test_every_reader_of_a_site_is_told_every_change(hub: Hub) -> None:
    papers = [watch(hub)[1] for _ in range(600)]

    hub.publish("tenuto", seats_moved(1, 0))
    await all_told()
    hub.publish("tenuto", seats_moved(2, 1))
    await all_told()

    assert all(versions(paper.text) == {slot_id(0): 1, slot_id(1): 2} for paper in papers)
    assert len({id(paper.chunks[-1]) for paper in papers}) == 1, "the bytes are shared"


async def test_a_reader_that_cannot_be_told_is_cut_and_the_others_are_told_ever_after(hub: Hub) -> None:
    (_, anna), (reader, broken), (_, ben) = (watch(hub) for _ in range(3))
    broken.trouble = trouble = RuntimeError("its connection is in disorder")

    for number in (1, 2):
        hub.publish("tenuto", seats_moved(number, number))
        await all_told()

    assert broken.problem is trouble
    assert versions(anna.text) == versions(ben.text) == {slot_id(1): 1, slot_id(2): 2}
    reader.close()


async def test_another_site_s_updates_never_arrive(hub: Hub) -> None:
    _, studio = watch(hub)
    _, other = watch(hub, site="other")

    hub.publish("tenuto", seats_moved(1, site="other"))
    hub.publish("tenuto", ScheduleMoved("other", "2-0", 1, 2, settled=True))
    hub.publish("tenuto", SiteReset("other", "3-0", 2))
    await all_told()

    assert studio.news == []
    assert other.news[0] == "reset"


async def test_who_comes_back_with_its_last_id_has_lost_nothing(hub: Hub) -> None:
    hub.publish("tenuto", seats_moved(1, 0))
    hub.publish("tenuto", seats_moved(2, 1))

    _, paper = watch(hub, "1.1-0")

    assert paper.news == ["seats"]
    assert versions(paper.text) == {slot_id(1): 2}


async def test_who_comes_back_to_a_quiet_site_is_not_told_to_read_again(hub: Hub) -> None:
    hub.follow_from("tenuto", "5-0")
    _, paper = watch(hub, "1.5-0")

    assert paper.news == []


async def test_who_has_read_what_was_told_of_another_site_last_is_not_told_to_read_again(hub: Hub) -> None:
    """All sites of a partition share one feed, and a month bears the id of what was told last in it."""
    hub.follow_from("tenuto", "5-0")
    hub.publish("tenuto", seats_moved(8, site="north"))
    hub.listen("tenuto", ["8-0"])
    early = {number: watch(hub, f"1.{number}-0")[1] for number in (5, 8, 9)}
    hub.publish("tenuto", seats_moved(20, site="north"))
    hub.publish("tenuto", seats_moved(30))
    hub.publish("tenuto", seats_moved(40, site="north"))
    late = {number: watch(hub, f"1.{number}-0")[1] for number in (9, 20, 30, 40, 41)}

    assert {number: paper.news for number, paper in early.items()} == {5: [], 8: [], 9: ["reset"]}
    assert {number: paper.news for number, paper in late.items()} == {
        9: ["reset", "seats"],  # which nobody here has heard of
        20: ["seats"],
        30: [],
        40: [],
        41: ["reset", "seats"],
    }


async def test_who_comes_back_with_news_that_redis_has_lost_is_told_to_read_again(hub: Hub) -> None:
    hub.follow_from("tenuto", "5-0")
    hub.publish("tenuto", seats_moved(8))
    hub.listen("tenuto", ["5-0", "8-0"])
    _, paper = watch(hub, "1.9-0")
    hub.publish("tenuto", seats_moved(11))
    _, later = watch(hub, "1.9-0")
    _, other = watch(hub, "1.8-0")
    await all_told()

    assert paper.news == ["reset", "seats", "seats"]
    assert later.news == ["reset", "seats"]
    assert other.news == ["seats"]


async def test_who_comes_back_with_news_that_redis_had_lost_and_gone_on_from_is_told_to_read_again(hub: Hub) -> None:
    """Somebody else, as a worker, has told more by the time this process begins to listen."""
    hub.follow_from("tenuto", "5-0")
    hub.publish("tenuto", seats_moved(8))
    hub.publish("tenuto", seats_moved(11))
    hub.listen("tenuto", ["5-0", "8-0", "10-0", "11-0"])
    papers = {feed_id: watch(hub, f"1.{feed_id}")[1] for feed_id in ("5-0", "8-0", "9-0", "10-0", "11-0")}
    hub.publish("tenuto", seats_moved(12))
    await all_told()

    assert [feed_id for feed_id, paper in papers.items() if "reset" in paper.news] == ["9-0"]


@pytest.mark.parametrize("moved", ["studio", "north"])
async def test_what_redis_lost_between_what_a_slower_process_has_heard_is_not_believed(hub: Hub, moved: str) -> None:
    """It was told by a process that is gone, before this one heard of it; Redis has gone on since without it."""
    for number in (3, 4, 7):
        hub.publish("tenuto", seats_moved(number, site=moved))

    papers = {number: watch(hub, f"1.{number}-0")[1] for number in (3, 4, 5, 7)}

    assert [number for number, paper in papers.items() if "reset" in paper.news] == [5]


async def test_of_more_places_than_are_remembered_one_by_one_all_between_are_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hearing, "EACH_MAX", 2)
    hub = Hub(clock=StoppedClock())
    for number in (10, 20, 30, 40):
        hub.publish("tenuto", seats_moved(number, site="north"))

    papers = {number: watch(hub, f"1.{number}-0")[1] for number in (10, 20, 25, 30, 35, 40)}

    assert [number for number, paper in papers.items() if "reset" in paper.news] == [35]
    hub.goodbye()


async def test_who_comes_back_too_late_is_told_to_read_again_first(hub: Hub) -> None:
    hub.follow_from("tenuto", "100-0")
    hub.publish("tenuto", seats_moved(101))

    _, paper = watch(hub, "1.99-0")

    assert paper.news == ["reset", "seats"]


async def test_when_the_feed_was_lost_every_reader_is_told_to_read_again(hub: Hub) -> None:
    _, paper = watch(hub)
    other = hub.subscribe("north", None, partition="elsewhere", epoch=1, network="ben")
    other_paper = Paper()
    other.open(other_paper)

    hub.follow_from("tenuto", "50-0")
    await all_told()
    hub.publish("tenuto", seats_moved(51))
    await all_told()

    assert paper.news == ["reset", "seats"]
    assert other_paper.news == []


async def test_a_slow_reader_is_told_only_what_is_newest_once_it_can_take_more(hub: Hub) -> None:
    reader, slow = watch(hub)
    _, quick = watch(hub)
    slow.is_slow = True
    for number in range(1, 101):
        hub.publish("tenuto", seats_moved(number, number % 4))
        await all_told()
    written_while_slow = len(slow.chunks)
    slow.is_slow = False

    reader.ready()

    assert written_while_slow == 2, "the greeting, and the one chunk that filled its connection"
    assert len(slow.chunks) == 3
    assert versions(slow.text) == versions(quick.text)
    assert len(quick.chunks) == 101


async def test_a_reader_that_stays_busy_is_cut_and_nobody_else() -> None:
    hub = Hub(clock=StoppedClock(), beat_every_s=0.03, busy_max_s=0.05)
    _, stalled = watch(hub)
    _, quick = watch(hub)
    stalled.is_slow = True
    hub.publish("tenuto", seats_moved(1))

    await until(lambda: stalled.was_cut)
    assert not quick.was_cut
    hub.goodbye()


async def test_a_quiet_stream_is_kept_open_by_comments_and_its_clock_true_by_hellos() -> None:
    hub = Hub(clock=StoppedClock(), beat_every_s=0.03)
    _, paper = watch(hub)

    await until(lambda: len(paper.chunks) > 8)
    beats = paper.chunks[1:]
    hellos = [chunk for chunk in beats if chunk.startswith(b"event: hello")]
    assert set(beats) - set(hellos) == {b": .\n\n"}
    assert 0 < len(hellos) <= len(beats) / 2
    hub.goodbye()


async def test_readers_are_shown_that_we_are_there_a_few_at_a_time() -> None:
    hub = Hub(clock=StoppedClock(), beat_every_s=15.0)
    for _ in range(150):
        watch(hub)

    assert {len(group) for group in hub._groups} == {10}
    hub.goodbye()


async def test_a_connection_that_fails_keeps_nobody_else_from_being_shown_that_we_are_there() -> None:
    hub = Hub(clock=StoppedClock(), beat_every_s=0.03)
    papers = [watch(hub)[1] for _ in range(30)]  # two in each group
    for broken in papers[:15]:
        broken.trouble = RuntimeError("nobody thought of this")

    await until(lambda: all(len(paper.chunks) > 2 for paper in papers[15:]))
    assert all(paper.was_cut and isinstance(paper.problem, RuntimeError) for paper in papers[:15])
    assert not any(paper.was_cut for paper in papers[15:])
    hub.goodbye()


async def test_a_connection_that_fails_at_goodbye_keeps_nobody_else_from_it(hub: Hub) -> None:
    papers = [watch(hub)[1] for _ in range(20)]
    for broken in papers[:10]:
        broken.trouble = RuntimeError("nobody thought of this")

    hub.goodbye()

    assert all(paper.was_cut for paper in papers[:10])
    assert all(paper.has_ended for paper in papers[10:])


async def test_a_process_takes_no_more_readers_than_it_may_have_files(hub: Hub) -> None:
    hub.fit_into(16)
    for number in range(14):
        subscribe(hub, network=str(number))

    with pytest.raises(Unavailable, match="Too many live connections are open; try"):
        subscribe(hub, network="late")


async def test_goodbye_ends_every_stream_and_lets_nobody_in(hub: Hub) -> None:
    papers = [watch(hub)[1] for _ in range(20)]
    late = subscribe(hub)

    hub.goodbye()
    late.open(late_paper := Paper())

    assert all(events(paper.text)[-1].name == "bye" and paper.has_ended for paper in [*papers, late_paper])
    with pytest.raises(Unavailable):
        subscribe(hub)


async def test_a_busy_reader_is_cut_at_goodbye(hub: Hub) -> None:
    _, paper = watch(hub)
    paper.is_slow = True
    hub.publish("tenuto", seats_moved(1))
    await all_told()

    hub.goodbye()

    assert paper.was_cut


async def test_a_process_and_a_network_have_only_so_many_readers() -> None:
    hub = Hub(clock=StoppedClock(), readers_max=3, readers_per_network_max=2)
    anna, _ = subscribe(hub), subscribe(hub)

    with pytest.raises(Unavailable, match="your network"):
        subscribe(hub)
    ben = subscribe(hub, network="ben")
    with pytest.raises(Unavailable, match="Too many live connections are open; try"):
        subscribe(hub, network="ben")
    anna.close()
    ben.close()

    assert hub.readers == 1
    subscribe(hub)


async def test_a_closed_reader_is_not_written_to_any_more(hub: Hub) -> None:
    reader, paper = watch(hub)

    hub.publish("tenuto", seats_moved(1))
    reader.close()
    await all_told()

    assert paper.news == []
    assert hub.readers == 0


async def test_sites_that_nobody_reads_are_forgotten_beyond_a_number(monkeypatch: pytest.MonkeyPatch, hub: Hub) -> None:
    monkeypatch.setattr(hubs, "CHANNELS_MAX", 3)
    _, watched = watch(hub, site="site-1")
    for number in range(1, 8):
        hub.publish("tenuto", seats_moved(number, site=f"site-{number}"))

    _, forgotten = watch(hub, "1.1-0", site="site-2")
    hub.publish("tenuto", seats_moved(8, site="site-7"))
    _, kept = watch(hub, "1.7-0", site="site-7")
    await all_told()

    assert len(hub._channels) <= 3
    assert watched.news == ["seats"]
    assert forgotten.news == ["reset"], "it has missed 1.2-0, which is not known any more"
    assert kept.news == ["seats"]


async def test_a_site_is_not_forgotten_while_its_reader_waits_for_its_head_to_be_written(
    monkeypatch: pytest.MonkeyPatch, hub: Hub
) -> None:
    """As where its client has not yet taken what was answered before it on the same connection."""
    monkeypatch.setattr(hubs, "CHANNELS_MAX", 3)
    waits, paper = subscribe(hub, site="site-0"), Paper()
    for number in range(1, 8):
        hub.publish("tenuto", seats_moved(number, site=f"site-{number}"))

    waits.open(paper)
    hub.publish("tenuto", seats_moved(8, site="site-0"))
    await all_told()

    assert paper.news == ["seats"]
    waits.close()


async def test_where_something_may_be_missing_all_who_were_there_read_again(hub: Hub) -> None:
    _, here = watch(hub)
    hub.publish("tenuto", ScheduleMoved("studio", "10-0", 1, 2, settled=True))
    hub.publish("tenuto", seats_moved(11, 0))

    hub.doubt("studio", "11-0")

    _, came_back = watch(hub, "1.10-0")
    _, knows_all = watch(hub, "1.11-0")
    hub.doubt("nowhere", "11-0")
    assert came_back.news == ["reset", "schedule"]  # services may have changed before it came
    assert knows_all.news == []
    assert not here.was_cut


async def test_readers_that_are_there_are_told_of_a_doubt(hub: Hub) -> None:
    _, paper = watch(hub)
    hub.publish("tenuto", seats_moved(11, 0))
    await all_told()

    hub.doubt("studio", "11-0")
    await all_told()

    assert paper.news == ["seats", "reset"]
