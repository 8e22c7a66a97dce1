"""Three masters that share the slots: every call finds its server, also while slots move and servers go away."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.engine.box import LATE_YOGA, MASSAGE, WINDOW, YOGA, Box, Recorded, site
from tests.engine.fleets import Sharded
from tests.engine.lives import RUN_OUT_AFTER, Lives, complaints, find_all, going_on
from tests.engine.servers import OnPort
from tests.engine.test_claims import PIA, QUINN, by, claims, diary
from widget_server.domain.attempts import WaitingPin
from widget_server.domain.bookings import BookedSeats
from widget_server.domain.claims import Assignment
from widget_server.domain.holds import HoldState, Line
from widget_server.domain.orders import Claimed
from widget_server.engine import connection as engine_connection
from widget_server.engine import kept, keys
from widget_server.engine.calls import Call
from widget_server.engine.cluster import READ_AGAIN_AFTER_S
from widget_server.engine.connection import Connection, address_of, connect
from widget_server.engine.feed import Lost
from widget_server.engine.hash_slots import spread_tags
from widget_server.engine.inspection import Inspection
from widget_server.engine.kept import DiaryEntry
from widget_server.engine.mending import ClaimMending, HoldMending, Mending, SlotMending
from widget_server.engine.wire import Reply, Word
from widget_server.errors import Fault, HoldEnded, NotFound, Unavailable

pytestmark = pytest.mark.anyio

FAILOVER_MAX_S = 60.0
PAUSE_S = 0.05
WANTED_MIN = 3
CAUSES = {"hold", "renew", "change", "release", "expire", "pin", "unpin", "commit", "set_booked"}
REFUSED_MAX_S = 10.0
"""As a rule it takes about a second; and whoever waits for a seat is not to wait for much longer."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Sharded]:
    with TemporaryDirectory(prefix="tenuto-") as folder, Sharded(Path(folder)) as cluster:
        yield cluster


class Everywhere(Recorded):
    """What tests ask about all keys, they ask every server."""

    nodes: Sequence[OnPort]

    async def read(self, *commands: Sequence[Word]) -> list[Reply]:
        if commands[0][0] == "KEYS":
            return [[key for node in self.nodes for key in node.ask(*map(str, commands[0]))]]
        return await super().read(*commands)


@pytest.fixture
async def connection(cluster: Sharded) -> AsyncIterator[Everywhere]:
    connection = Everywhere(address_of(cluster.url))
    connection.nodes = cluster.masters
    yield connection
    await connection.close()


@pytest.fixture
async def box(cluster: Sharded, connection: Everywhere) -> AsyncIterator[Box]:
    """A site on a Cluster with nothing else in it. After each test its counts must be right."""
    for master in cluster.masters:
        master.ask("FLUSHALL")
    box = Box(connection)
    await box.fill()
    yield box
    await box.counts_are_right()


def boxes_in(connection: Recorded, partitions: Sequence[str]) -> list[Box]:
    return [
        Box(connection, replace(site(f"site{number}"), partition=partition))
        for number, partition in enumerate(partitions)
    ]


async def test_the_whole_life_of_holds(box: Box) -> None:
    anna = await box.hold("anna", Line(YOGA, 2), MASSAGE)
    await box.renew("anna", version=anna.version)
    pin = await box.pin("anna")
    await box.unpin("anna", fence=pin.fence)
    again = await box.pin("anna", attempt="second")
    told = [BookedSeats(YOGA, 2, 1), BookedSeats(MASSAGE, 1, 1)]
    assert await box.commit("anna", *told, fence=again.fence) == "COMMITTED"
    await box.hold("ben", LATE_YOGA)
    await box.release("ben")
    assert (await box.hold_and_pin("cleo", Line(YOGA, 1))).fence == 1
    await box.hold("dora")
    await box.advance(replace(box.site, hold_minutes=11).hold_length)
    assert (await box.sweep()).ended == 1
    with pytest.raises(HoldEnded):
        await box.renew("dora", version=1)
    assert await box.engine.raise_schedule(box.site, 2)
    await box.engine.settle(box.site, 2)
    await box.engine.set_booked(box.site, [BookedSeats(YOGA, 3, 2)])
    seats = await box.seats()
    assert (seats.booked, seats.held) == (3, 1)
    box.site = replace(box.site, epoch=2)
    await box.fill([BookedSeats(YOGA, 2, 3)])
    assert (await box.seats()).booked == 2


async def test_the_whole_life_of_seats_that_somebody_serves(box: Box) -> None:
    for of in (YOGA, LATE_YOGA):
        box.needs[of] = by(PIA, QUINN, of=of)
    await box.hold("anna", YOGA)
    await box.change("anna", LATE_YOGA, MASSAGE)
    assert await diary(box, PIA) + await diary(box, QUINN) == ["anna"]
    pin = await box.pin("anna")
    assert await box.commit("anna", BookedSeats(LATE_YOGA, 1, 1), fence=pin.fence) == "COMMITTED"
    moved = await box.hold_and_pin("ben", Line(YOGA, 1), instead_of=[Claimed("anna", LATE_YOGA)])
    assert [one.slot for one in moved.assignments] == [YOGA]
    busy = LATE_YOGA.starts_at, LATE_YOGA.ends_at
    freed = [Assignment("anna", one, LATE_YOGA, *busy, 1, is_freed=True) for one in await claims(box, "anna")]
    assert await box.engine.assign(box.site, freed) == 1
    assert await diary(box, PIA) + await diary(box, QUINN) == ["ben"]

    box.site = replace(box.site, epoch=2)
    ben = WaitingPin("ben", "secret of ben", "first", 1, await box.now() + WINDOW, (Line(YOGA, 1),), "ben", "home")
    for key in await box.connection.read(("KEYS", "*")):
        await asyncio.gather(*(box.connection.read(("DEL", name)) for name in key))
    assert await box.fill(waiting=[ben]) == 1
    assert await diary(box, PIA) + await diary(box, QUINN) == ["ben"]


async def test_what_an_audit_finds_is_mended(box: Box) -> None:
    box.needs[YOGA] = by(PIA, of=YOGA)
    await box.hold("anna", YOGA)
    of_site, mending = keys.of_site("tenuto", box.site.key), Mending(box.connection)
    (member,) = (m for m in (await box.connection.read(("ZRANGE", pias(box), 0, -1)))[0] if m != kept.COUNT)
    await box.connection.read(
        ("DEL", of_site.lines(YOGA.id)), ("DEL", of_site.visitor("anna")), ("ZREM", pias(box), member)
    )

    assert await mending.slots(box.site, [SlotMending(YOGA, 0, 0, 0, (("anna", 1),))]) == 1
    assert await mending.holds(box.site, [HoldMending("anna", "anna", "anna")]) == 1
    entry = DiaryEntry(PIA, YOGA.starts_at.date(), member)
    assert await mending.claims(box.site, [ClaimMending(entry, 1)]) == 1
    await box.release("anna")
    assert (await box.seats()).held == 0
    assert await diary(box, PIA) == []


def pias(box: Box) -> str:
    """Her diary of that day."""
    return keys.of_site("tenuto", box.site.key).diary(PIA, YOGA.starts_at.date())


async def test_sites_are_spread_over_all_servers_and_asked_about_in_one_go(
    cluster: Sharded, connection: Everywhere
) -> None:
    assert connection.partitions == spread_tags()
    boxes = boxes_in(connection, connection.partitions)
    for one in boxes[:63]:
        await one.fill()
    await asyncio.gather(*(one.hold("anna") for one in boxes[:63]))

    assert await Inspection(connection).epochs([one.site for one in boxes]) == [1] * 63 + [None]
    owners = Counter(cluster.owner(tag).port for tag in connection.partitions)
    assert sorted(owners.values()) == [21, 21, 22]


async def test_scripts_are_known_to_every_server_and_again_after_a_flush(
    cluster: Sharded, connection: Everywhere, box: Box
) -> None:
    boxes = boxes_in(connection, connection.partitions[:6])
    for one in boxes:
        await one.fill()
    for master in cluster.masters:
        master.ask("SCRIPT", "FLUSH")

    await asyncio.gather(*(one.hold(name) for one in boxes for name in ("anna", "ben")))

    assert {(await one.seats()).held for one in boxes} == {2}


async def test_a_slot_that_has_moved_is_not_looked_for_again_and_again(
    cluster: Sharded, connection: Everywhere, box: Box
) -> None:
    await box.hold("anna")
    source = cluster.owner("tenuto")
    cluster.pass_on("tenuto")

    assert (await box.find("anna")).state is HoldState.HELD
    await asyncio.sleep(READ_AGAIN_AFTER_S)
    assert (await box.hold("anna")).state is HoldState.HELD
    told = redirections(source)
    for name in ("ben", "cleo", "dora"):
        await box.hold(name)
    assert redirections(source) == told > 0


def redirections(node: OnPort) -> int:
    return int(node.ask("INFO", "errorstats").get("errorstat_MOVED", {"count": 0})["count"])


async def test_while_a_slot_moves_under_load_nobody_is_oversold_and_all_that_goes_on_is_told_once(
    cluster: Sharded, box: Box
) -> None:
    """`test_lives.py` doctors what is compared here, and sees that it is noticed."""
    hasty = Everywhere(address_of(cluster.url), patience_s=0.3)
    lives = Lives(hasty)

    async with going_on(lives, box) as follower:
        for kinds in (0, 0, 0, WANTED_MIN):
            await until_more(lives)
            await asyncio.to_thread(cluster.pass_on, "tenuto", pause=partial(until_told_to_wait, lives, kinds))
            await box.advance(RUN_OUT_AFTER)
        await until_more(lives)

    found = await find_all(box)
    assert complaints(found, lives, follower.picture) == []
    assert {update.cause for update in found.told} == CAUSES
    assert follower.losses > 0, "nor can anybody see in a feed whether it came along as a whole"
    await hasty.close()


async def until_more(lives: Lives) -> None:
    before = lives.outcomes["held"]
    async with asyncio.timeout(FAILOVER_MAX_S):
        while lives.outcomes["held"] < before + 40:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def until_told_to_wait(lives: Lives, kinds: int) -> None:
    """The slot is neither here nor there until whoever wanted one of so many things was told to try again.

    It lets nobody in, whatever they want, and this machine's pace has no say in it.
    """
    time.sleep(PAUSE_S)
    end_s = time.monotonic() + FAILOVER_MAX_S
    while len(lives.waited) < kinds:
        assert time.monotonic() < end_s, f"only {dict(lives.waited)} were told to wait"
        time.sleep(PAUSE_S)


async def test_a_half_moved_slot_is_read_where_its_keys_are(
    cluster: Sharded, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reads of what has gone already are sent after it; scripts wait until all of it is in one place."""
    await box.hold("anna")
    source = cluster.owner("tenuto")
    to = next(node for node in cluster.masters if node is not source)
    cluster.begin_to_move("tenuto", to)
    hasty = Box(Everywhere(address_of(cluster.url), patience_s=0.3))
    try:
        cluster.move_keys("tenuto", source, to, 3)

        assert (await box.find("anna")).state is HoldState.HELD
        assert (await box.seats()).held == 1
        with pytest.raises(Unavailable):
            await hasty.hold("ben")
        with monkeypatch.context() as control:
            control.setattr(engine_connection, "_NOT_NOW", ())  # a connection that takes the first answer
            with pytest.raises(Fault, match="TRYAGAIN"):
                await box.hold("ben")
    finally:
        while cluster.move_keys("tenuto", source, to, 100):
            pass
        cluster.end_move("tenuto", source, to)
        await hasty.connection.close()
    assert (await box.hold("ben")).state is HoldState.HELD


async def test_no_script_begins_where_a_key_may_leave_in_its_midst(
    cluster: Sharded, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A set that becomes empty is a key that is gone: while its slot is moved, nobody may ask for it any more."""
    source = cluster.owner("tenuto")
    to = next(node for node in cluster.masters if node is not source)
    await box.hold("anna")
    cluster.begin_to_move("tenuto", to)
    hasty = Box(Everywhere(address_of(cluster.url), patience_s=0.2))
    try:
        with pytest.raises(Unavailable):
            await hasty.release("anna")
        await box.counts_are_right()

        monkeypatch.setattr(Call, "of_settled_slot", lambda call: call)
        with pytest.raises(AssertionError):  # the control: its line has gone, and is counted for ever
            await release_until_counts_are_wrong(hasty, box)
    finally:
        source.ask("FLUSHALL")
        cluster.end_move("tenuto", source, to)
        await hasty.connection.close()


async def release_until_counts_are_wrong(hasty: Box, box: Box) -> None:
    """On a busy machine whoever is in haste has given up before they have even asked."""
    async with asyncio.timeout(FAILOVER_MAX_S):
        while True:
            with pytest.raises(Unavailable):
                await hasty.release("anna")
            await box.counts_are_right()


async def test_when_a_master_dies_its_replica_takes_over() -> None:
    with TemporaryDirectory(prefix="tenuto-") as folder, Sharded(Path(folder), replicas=1) as cluster:
        connection, in_haste = Recorded(address_of(cluster.url)), Recorded(address_of(cluster.url), patience_s=0.3)
        mine = next(tag for tag in spread_tags() if cluster.owner(tag) is cluster.masters[0])
        others = next(tag for tag in spread_tags() if cluster.owner(tag) is cluster.masters[1])
        boxes = boxes_in(connection, [mine, others])
        for box in boxes:
            await box.fill()
            await box.hold("anna")
        assert cluster.masters[0].ask("WAIT", 1, 60_000) == 1
        cluster.replicas[0].ask("CONFIG", "SET", "cluster-replica-no-failover", "yes")
        news = boxes[0].feed.follow(mine, await boxes[0].feed.last_id(mine))
        assert await anext(news) == []

        cluster.masters[0].kill()

        with pytest.raises(Unavailable):
            await boxes_in(in_haste, [mine])[0].hold("ben")
        cluster.replicas[0].ask("CONFIG", "SET", "cluster-replica-no-failover", "no")
        async with asyncio.timeout(FAILOVER_MAX_S):
            while not await is_held(boxes[0], "ben"):
                pass
        assert (await boxes[0].find("anna")).state is HoldState.HELD
        assert (await boxes[1].hold("ben")).state is HoldState.HELD
        assert isinstance(await next_but_nothing(news), Lost), "what the replica never got, nobody can see in its feed"
        await in_haste.close()
        await connection.close()


async def is_held(box: Box, name: str) -> bool:
    try:
        await box.hold(name)
    except Unavailable:
        return False
    return True


async def next_but_nothing(news: AsyncIterator[object]) -> object:
    async with asyncio.timeout(FAILOVER_MAX_S):
        async for batch in news:
            if batch:
                return batch
    raise AssertionError("a feed never ends")


async def test_a_hold_that_nobody_has_is_not_found(box: Box) -> None:
    with pytest.raises(NotFound):
        await box.find("nobody")


async def test_every_server_must_do(cluster: Sharded) -> None:
    connection = await connect(cluster.url)
    await connection.check()
    cluster.masters[2].ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")

    try:
        with pytest.raises(Fault, match="noeviction"):
            await connection.check()
    finally:
        cluster.masters[2].ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        await connection.close()


async def test_one_server_that_is_known_is_enough(cluster: Sharded) -> None:
    connection = await connect(f"redis+cluster://127.0.0.1:1,{cluster.masters[1].place}")

    await connection.check()
    await connection.close()


async def test_a_cluster_and_a_redis_on_its_own_are_not_taken_for_each_other(cluster: Sharded) -> None:
    alone = await connect(f"redis://{cluster.masters[0].place}")
    with pytest.raises(Fault, match=r"begin TENUTO_REDIS_URL with redis\+cluster://"):
        await alone.check()
    await alone.close()

    with TemporaryDirectory(prefix="tenuto-") as folder:
        server = OnPort(Path(folder))
        server.start()
        connection = await connect(f"redis+cluster://{server.place}")
        try:
            with pytest.raises(Fault, match="cluster support disabled"):
                await connection.check()
        finally:
            await connection.close()
            server.kill()


@pytest.mark.parametrize(
    "url", ["redis+cluster://", "redis+cluster://127.0.0.1:1,", "redis+cluster://127.0.0.1:1/2", "redis+cluster://:x:y"]
)
async def test_a_url_that_is_none_is_told_in_one_sentence(url: str) -> None:
    with pytest.raises(Fault, match=r"^TENUTO_REDIS_URL .*\.$"):
        await connect(url)


async def test_without_servers_calls_are_refused() -> None:
    connection: Connection = await connect("redis+cluster://127.0.0.1:1,127.0.0.1:2")

    async with asyncio.timeout(REFUSED_MAX_S):
        with pytest.raises(Unavailable):
            await connection.read(("PING",))
    await connection.close()
