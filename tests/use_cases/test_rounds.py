"""The worker looks at everything all the time, and mends what it finds, once and within seconds."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from tests.engine.servers import Valkey
from tests.house import SITE, Guest, House, opened, slot
from tests.use_cases import broken
from tests.use_cases.broken import Break
from tests.use_cases.working import reconciliation
from widget_server.clock import SystemClock
from widget_server.domain.sites import Site
from widget_server.engine import keys
from widget_server.engine.inspection import Inspection
from widget_server.errors import Fault, Loading, StaleEpoch, Unavailable
from widget_server.store.audit import Audits, Tally
from widget_server.store.sites import Sites
from widget_server.use_cases import rounds
from widget_server.use_cases.auditing import Auditing
from widget_server.use_cases.findings import Finding
from widget_server.use_cases.rebuilding import Rebuilding

pytestmark = pytest.mark.anyio

PATIENCE_S = 20.0
WITHIN_S = 10.0
"""However slow the machine is; it takes about half a second."""
LOOK_AGAIN_S, ROUND_S = 0.2, 0.3
"""In place of 2.5 and 30."""

Logs = Sequence[MutableMapping[str, Any]]


@pytest.fixture
async def houses(empty_valkey: Valkey, sqlite_template: Path, tmp_path: Path) -> AsyncIterator[tuple[House, House]]:
    """Two processes on the same Redis and SQL, whose workers look at everything all the time."""
    async with AsyncExitStack() as at_the_end:
        house, another = [
            await at_the_end.enter_async_context(opened(empty_valkey.url, sqlite_template, tmp_path)) for _ in range(2)
        ]
        for each in (house, another):
            reconciliation(each).auditing.look_again_after_s = LOOK_AGAIN_S
            reconciliation(each)._rounds._length_s = ROUND_S
        yield house, another


@pytest.fixture
async def anna(houses: tuple[House, House]) -> Guest:
    """She holds two seats where ben has booked one."""
    anna, ben = houses[0].guest(), houses[0].guest()
    await ben.hold()
    await ben.confirm("Ben Oak")
    await anna.hold((slot(), 2))
    return anna


@asynccontextmanager
async def working(*houses: House) -> AsyncIterator[None]:
    """While each of them runs a worker, of which at least one has looked at everything once."""
    before = await last_rounds(houses[0])
    workers = [asyncio.create_task(house.parts.use_cases.reconciliation.run("tenuto")) for house in houses]
    try:
        await eventually(lambda: differs(houses[0], before))
        yield
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.wait(workers)


async def last_rounds(house: House) -> list[Tally]:
    return await Audits(house.parts.database).last_rounds()


async def differs(house: House, before: list[Tally]) -> bool:
    return await last_rounds(house) != before


async def eventually(is_so: Callable[[], Awaitable[bool]], *, within_s: float = PATIENCE_S) -> None:
    async with asyncio.timeout(within_s):
        while True:
            if await is_so():
                return
            await asyncio.sleep(0.05)


def counted(logs: Logs, event: str) -> int:
    return sum(log["event"] == event for log in logs)


async def is_clean(house: House) -> bool:
    return not await found(house)


async def found(house: House) -> list[Finding]:
    """By an audit of our own, which has less patience."""
    connected = house.parts.database
    impatient = Auditing(
        inspection=Inspection(house.redis),
        audits=Audits(connected),
        sites=Sites(connected),
        clock=SystemClock(),
        look_again_after=timedelta(seconds=0.1),
    )
    return await impatient.found(await house.parts.sites.all())


@pytest.mark.parametrize(
    "break_it",
    [broken.booked_of_the_same_version, broken.line_of_nobody, broken.budget_of_nobody, broken.due_lost],
    ids=lambda break_it: break_it.__name__,
)
async def test_what_is_broken_by_hand_is_mended_within_seconds_by_one_of_two_workers_and_told_once(
    houses: tuple[House, House], anna: Guest, break_it: Break
) -> None:
    house, another = houses
    epoch = (await house.site()).epoch
    with capture_logs() as logs:
        async with working(house, another):
            await break_it(house, anna)
            await eventually(lambda: is_clean(house), within_s=WITHIN_S)
            rounds_then = await last_rounds(house)
            await eventually(lambda: differs(house, rounds_then))

    kinds = [log["kind"] for log in logs if log["event"] == "audit_mended"]
    assert len(kinds) == len(set(kinds)) > 0
    assert counted(logs, "worker_failed") == counted(logs, "worker_waits") == 0
    assert (await house.site()).epoch == epoch
    seats = await house.seats()
    assert (seats.booked, seats.held) == (1, 2)
    assert sum(tally.mended_ever for tally in await last_rounds(house)) >= 1


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (Loading("Seats are being read back; try again in a moment."), "not_mended_yet"),
        (StaleEpoch("It has been filled anew."), "not_mended_yet"),
        (Fault("Redis does not take our commands: ERR as nobody foresaw"), "worker_failed"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_a_site_that_cannot_be_mended_keeps_no_other_from_being_mended(
    houses: tuple[House, House], monkeypatch: pytest.MonkeyPatch, problem: Exception, told: str
) -> None:
    house, _ = houses
    mend = Rebuilding._mend

    async def fail(self: Rebuilding, site: Site, findings: Sequence[Finding]) -> int:
        if site.key == "broken":
            raise problem
        return await mend(self, site, findings)

    await house.found("broken")
    for site_key in ("broken", SITE):
        for number in range(2):
            day, _ = keys.of_site("tenuto", site_key).seats(slot(number=number).id)
            await house.redis.read(("HSET", day, slot(number=number).id.partition("T")[2], "5:0:1:0"))
    wrong = sorted(await found(house), key=lambda one: one.site_key)
    assert [one.site_key for one in wrong] == ["broken"] * 2 + [SITE] * 2
    monkeypatch.setattr(Rebuilding, "_mend", fail)
    with capture_logs() as logs:
        assert await reconciliation(house)._rounds._mend(wrong) == 2

    assert counted(logs, told) == 1, "and it is left alone then"
    assert [one.site_key for one in await found(house)] == ["broken"] * 2


async def test_a_round_without_redis_is_over(houses: tuple[House, House], monkeypatch: pytest.MonkeyPatch) -> None:
    """Else everything found would be waited for in turn."""
    house, _ = houses

    async def away(*_: Any) -> int:
        raise Unavailable("Seats cannot be reached; try again in a moment.")

    day, _ = keys.of_site("tenuto", SITE).seats(slot().id)
    await house.redis.read(("HSET", day, slot().id.partition("T")[2], "5:0:1:0"))
    wrong = await found(house)
    monkeypatch.setattr(Rebuilding, "_mend", away)
    with pytest.raises(Unavailable):
        await reconciliation(house)._rounds._mend(wrong)


async def test_what_nobody_can_mend_is_told_once(houses: tuple[House, House], anna: Guest) -> None:
    house, _ = houses
    with capture_logs() as logs:
        async with working(house):
            async with house.parts.database.transaction() as session:
                await session.exec(text("UPDATE booking SET seats = 9"))  # type: ignore[call-overload]
            await eventually(lambda: has_logged(logs, "audit_found"))
            for _ in range(2):
                before = await last_rounds(house)
                await eventually(lambda: differs(house, before))  # noqa: B023

    assert counted(logs, "audit_found") == 1


async def has_logged(logs: Logs, event: str) -> bool:
    return counted(logs, event) > 0


async def test_a_worker_that_starts_fills_only_sites_that_lost_a_booking(
    houses: tuple[House, House], anna: Guest
) -> None:
    house, _ = houses
    other = await house.found("other")
    epoch = (await house.site()).epoch
    assert await house.deliver() == 1, "Redis has been told"
    await house.rewind(slot())

    async with working(house):
        assert (await house.seats()).booked == 1
    assert (await house.site()).epoch == epoch + 1
    assert (await house.site("other")).epoch == other.epoch


async def test_a_worker_that_starts_beside_a_sound_redis_resets_nobody(
    houses: tuple[House, House], anna: Guest
) -> None:
    house, _ = houses
    last_id = await last_of_feed(house)

    async with working(house):
        assert await last_of_feed(house) == last_id


async def last_of_feed(house: House) -> str:
    (last,) = await house.redis.read(("XREVRANGE", "{tenuto}:feed", "+", "-", "COUNT", 1))
    return str(last[0][0])


async def test_many_sites_cost_a_worker_that_starts_no_scan_each(
    houses: tuple[House, House], monkeypatch: pytest.MonkeyPatch
) -> None:
    house, another = houses
    for number in range(8):
        await house.parts.use_cases.sites.create(key=f"site-{number}", name="S", zone="UTC", currency="EUR")
    await house.flush()
    scans = 0
    days = Inspection.days

    def counting(self: Inspection, partition: str) -> Any:
        nonlocal scans
        scans += 1
        return days(self, partition)

    monkeypatch.setattr(Inspection, "days", counting)
    await another.parts.use_cases.reconciliation.rebuilding.fill_all(await another.parts.sites.all())

    assert scans == 1
    epochs = await Inspection(house.redis).epochs(await house.parts.sites.all())
    assert epochs == [site.epoch for site in await house.parts.sites.all()]


async def test_a_round_takes_its_time(
    empty_valkey: Valkey, sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that it is no load: its steps are spread, and there is one round in its length."""
    monkeypatch.setattr(rounds, "PAUSE_MIN_S", 0.01)
    async with opened(empty_valkey.url, sqlite_template, tmp_path, audit_round_s=1) as house, working(house):
        began = await last_rounds(house)
        await eventually(lambda: differs(house, began))
        first = (await last_rounds(house))[0]
        await eventually(lambda: differs(house, [first]))
        second = (await last_rounds(house))[0]

    assert (second.began_at - first.began_at).total_seconds() >= 1


async def test_rounds_and_what_waits_stand_among_the_metrics(houses: tuple[House, House], anna: Guest) -> None:
    house, _ = houses
    before = (await house.client.get("/metrics")).text
    async with working(house):
        metrics = (await house.client.get("/metrics")).text

    assert "tenuto_outbox_waiting 1.0\n" in before, "ben's booking, of which a worker has not heard yet"
    assert "tenuto_audit" not in before
    assert 'tenuto_audit_found{partition="tenuto"} 0.0\n' in metrics
    assert 'tenuto_audit_mended_total{partition="tenuto"} 0.0\n' in metrics
    assert re.search(r'^tenuto_audit_looked_at\{partition="tenuto"\} [1-9]', metrics, re.MULTILINE)
    assert re.search(r'^tenuto_audit_ended_timestamp_seconds\{partition="tenuto"\} \d{10}', metrics, re.MULTILINE)
