"""The saboteur: does to a town what machines, networks and people do, one fault after the other, chosen by a seed."""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from tests.chaos.ledger import Leap, Ledger, Loss
from tests.chaos.lines import Line, Trap
from tests.chaos.patience import until
from tests.chaos.town import HOLD_MINUTES, Member, Town
from widget_server.engine.scripts import load
from widget_server.errors import Fault, Unavailable
from widget_server.use_cases.bookings import CONFIRMING_WINDOW

STOP_MAX_S = 2.5
SPRING_MAX_S = 4.0
CLOCK_STEPS_S = (-40, -5, 0, 0, 5, 40)
_EVERYTHING_ENDS = timedelta(minutes=HOLD_MINUTES, seconds=5)
_JUST_PAST = CONFIRMING_WINDOW + timedelta(seconds=5)

Act = Callable[[], Awaitable[bool | None]]


class Saboteur:
    def __init__(self, town: Town, ledger: Ledger, chance: random.Random) -> None:
        self.done: Counter[str] = Counter()
        """How often each fault was made."""
        self.rests = False
        """Whether to leave the town in peace, so that something comes of what people do there."""
        self.refilled_s: list[float] = []
        """How long it took each time, from when Redis had forgotten something until all seats were counted anew."""
        self._town, self._ledger, self._chance = town, ledger, chance
        self._now = asyncio.get_running_loop().time
        self._watching: set[asyncio.Task[None]] = set()
        self._older: Path | None = None
        self._clock_s = 0
        self._valkey_is_mine = asyncio.Lock()
        """Two faults of its process at once would start it twice."""

    async def keep_busy(self, menu: Mapping[str, int], families: Sequence[Sequence[str]]) -> None:
        """First one of each family; then one fault after the other, now and then two at once, until cancelled or told
        to rest. `menu` says how often which.
        """
        await self._go_through(families)
        names, weights = list(menu), list(menu.values())
        while True:
            await asyncio.sleep(self._chance.uniform(0.3, 1.6))
            if self.rests:
                continue
            with suppress(TimeoutError):
                await until(self._all_serve if self._chance.random() < 0.8 else self._somebody_serves)
            chosen = set(self._chance.choices(names, weights, k=self._chance.choice((1, 1, 1, 2))))
            await asyncio.gather(*(self._do(name) for name in sorted(chosen)))

    async def _go_through(self, families: Sequence[Sequence[str]]) -> None:
        """What could not be done has its turn again at the end: nobody came by, or there was no older file yet."""
        left = deque(families)
        while left:
            await asyncio.sleep(self._chance.uniform(0.1, 0.5))
            with suppress(TimeoutError):
                await until(self._all_serve)
            family = left.popleft()
            if not await self._do(self._chance.choice(family)):
                left.append(family)

    async def end(self) -> None:
        """All is as it was: whoever was stopped goes on, lines are good, servers are up, clocks right."""
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        for member in self._town.members:
            member.process.go_on()
            for line in member.lines():
                line.heal()
                if line.trap is not None:
                    line.trap.pass_on()
        self._town.valkey.process.go_on()
        if not self._town.valkey.process.runs:
            await self._town.valkey.start()
        if self._town.postgres is not None and not self._town.postgres.process.runs:
            await self._town.postgres.start()

    async def _do(self, name: str) -> bool:
        """Counted where it was done: nobody may have come by a trap."""
        act: Act = getattr(self, name)
        is_done = await act() is not False
        if is_done:
            self.done[name] += 1
        return is_done

    # Killed

    async def kill_web(self) -> None:
        self._web().process.kill()

    async def kill_worker(self) -> None:
        self._worker().process.kill()

    async def kill_valkey(self) -> None:
        """It comes back with its file, which has all that was answered: only the machine's end could lose of that."""
        async with self._valkey_is_mine:
            self._town.valkey.process.kill()
            await self._start_valkey()

    async def kill_all_workers(self) -> None:
        for worker in self._town.workers:
            worker.process.kill()

    async def kill_web_before_commit(self) -> bool:
        return await self._kill_at(Trap(b"INSERT INTO outcome", b"COMMIT", after=False), sql=True)

    async def kill_web_after_commit(self) -> bool:
        """Between an SQL commit and its answer."""
        return await self._kill_at(Trap(b"INSERT INTO outcome", b"COMMIT", after=True), sql=True)

    async def kill_web_after_pin(self) -> bool:
        return await self._kill_at(Trap(load("pin").sha.encode(), after=True), sql=False)

    async def kill_web_before_telling(self) -> bool:
        """SQL has it booked; Redis has not been told."""
        return await self._kill_at(Trap(load("commit").sha.encode(), after=False), sql=False)

    # Stopped

    async def stop_web(self) -> None:
        await self._stop(self._web())

    async def stop_worker(self) -> None:
        await self._stop(self._worker())

    async def stop_valkey(self) -> None:
        async with self._valkey_is_mine:
            self._town.valkey.process.stop()
            await asyncio.sleep(self._chance.uniform(0.2, STOP_MAX_S))
            self._town.valkey.process.go_on()

    async def stop_web_past_resolve_by(self) -> bool:
        """It has pinned a hold, sleeps past the moment at which somebody decides in its place, and goes on."""
        web = self._web()
        trap = Trap(load("pin").sha.encode(), after=True)
        caught = await self._catch(web.redis, trap)
        if caught:
            web.process.stop()
            trap.pass_on()
            await self._leap(_JUST_PAST)
            await asyncio.sleep(self._chance.uniform(0.3, STOP_MAX_S))
            web.process.go_on()
        return caught

    # Lines

    async def lose_replies(self) -> None:
        for member in self._town.members:
            member.redis.replies_to_lose = self._chance.randrange(4)

    async def cut_replies(self) -> None:
        for member in self._town.members:
            member.redis.replies_to_cut = self._chance.randrange(4)

    async def delay_replies(self) -> None:
        lines = [member.redis for member in self._town.members]
        for line in lines:
            line.delay_max_s = self._chance.choice((0.01, 0.1, 0.6))
        await asyncio.sleep(self._chance.uniform(0.3, 1.5))
        for line in lines:
            line.delay_max_s = 0.0

    async def hang_up_redis(self) -> None:
        await asyncio.gather(*(member.redis.hang_up() for member in self._town.members))

    async def flush_scripts(self) -> None:
        with suppress(Unavailable, Fault):
            async with self._town.redis() as redis:
                await redis.read(("SCRIPT", "FLUSH"))

    async def lose_sql_replies(self) -> None:
        """Some of them to a COMMIT: then nobody knows whether it is written."""
        for line in self._sql_lines():
            line.replies_to_lose = self._chance.randrange(1, 4)

    async def lose_commit_answer(self) -> bool:
        web = self._web()
        assert web.sql is not None
        trap = Trap(b"INSERT INTO outcome", b"COMMIT", after=True)
        caught = await self._catch(web.sql, trap)
        trap.drop()
        return caught

    async def hang_up_sql(self) -> None:
        await asyncio.gather(*(line.hang_up() for line in self._sql_lines()))

    async def stop_postgres(self) -> None:
        assert self._town.postgres is not None
        self._town.postgres.stop_at_once()
        await asyncio.sleep(self._chance.uniform(0.1, 2.0))
        await self._town.postgres.start()

    # Forgets

    async def empty_redis(self) -> None:
        async with self._valkey_is_mine:
            loss, epoch = await self._begin_loss()
            with suppress(Unavailable, Fault):
                async with self._town.redis() as redis:
                    await redis.read(("FLUSHALL",))
            self._watch(loss, epoch)

    async def empty_redis_while_down(self) -> None:
        """As a container that came back without its volume."""
        async with self._valkey_is_mine:
            loss, epoch = await self._begin_loss()
            self._town.valkey.process.kill()
            self._town.valkey.forget_all()
            await self._start_valkey()
            self._watch(loss, epoch)

    async def truncate_file(self) -> None:
        async with self._valkey_is_mine:
            loss, epoch = await self._begin_loss()
            self._town.valkey.process.kill()
            forgot = self._town.valkey.truncate(self._chance.uniform(0.5, 1.0))
            await self._start_valkey()
            self._watch(loss, epoch, forgot=forgot)

    async def put_older_file_back(self) -> bool:
        """The first time it only makes the copy."""
        async with self._valkey_is_mine:
            if self._older is None:
                self._older = self._town.valkey.copy()
                return False
            loss, epoch = await self._begin_loss()
            self._town.valkey.process.kill()
            forgot = self._town.valkey.put_back(self._older)
            self._older = None
            await self._start_valkey()
            self._watch(loss, epoch, forgot=forgot)
            return True

    # Time

    async def leap_ahead(self) -> None:
        """All holds end at once."""
        await self._leap(_EVERYTHING_ENDS)

    async def step_clock(self) -> None:
        """Of Redis's machine, forth or back."""
        to_s = self._chance.choice([step_s for step_s in CLOCK_STEPS_S if step_s != self._clock_s])
        leap = Leap(self._now(), to_s - self._clock_s)
        if leap.by_s > 0:
            self._ledger.leaps.append(leap)
        self._clock_s = to_s
        self._town.valkey.step_clock(to_s)
        await asyncio.sleep(0.2)
        leap.until_s = self._now()

    # What these are made of

    async def _all_serve(self) -> bool:
        return all(web.is_up for web in self._town.webs)

    async def _somebody_serves(self) -> bool:
        """While nobody does, nobody would notice a fault either."""
        return any(web.is_up for web in self._town.webs)

    def _web(self) -> Member:
        return self._chance.choice([web for web in self._town.webs if web.is_up] or self._town.webs)

    def _worker(self) -> Member:
        return self._chance.choice(self._town.workers)

    def _sql_lines(self) -> list[Line]:
        return [member.sql for member in self._town.members if member.sql is not None]

    async def _stop(self, member: Member) -> None:
        member.process.stop()
        await asyncio.sleep(self._chance.uniform(0.2, STOP_MAX_S))
        member.process.go_on()

    async def _kill_at(self, trap: Trap, *, sql: bool) -> bool:
        web = self._web()
        line = web.sql if sql else web.redis
        assert line is not None
        caught = await self._catch(line, trap)
        if caught:
            web.process.kill()
            trap.drop()
        return caught

    async def _catch(self, line: Line, trap: Trap) -> bool:
        """Whether anybody came by in time."""
        if line.trap is not None and not line.trap.sprung.is_set():
            return False
        line.trap = trap
        try:
            async with asyncio.timeout(SPRING_MAX_S):
                await trap.sprung.wait()
        except TimeoutError:
            trap.sprung.set()
            trap.pass_on()
            return False
        return True

    async def _leap(self, by: timedelta) -> None:
        leap = Leap(self._now(), by.total_seconds())
        self._ledger.leaps.append(leap)
        with suppress(Unavailable, Fault):
            await self._town.leap(by)
            leap.until_s = self._now()

    async def _start_valkey(self) -> None:
        await asyncio.sleep(self._chance.uniform(0.0, 1.0))
        await self._town.valkey.start()

    async def _begin_loss(self) -> tuple[Loss, int]:
        loss = Loss(self._now())
        self._ledger.losses.append(loss)
        while True:
            with suppress(Unavailable):
                return loss, (await self._town.site()).epoch
            await asyncio.sleep(0.1)

    def _watch(self, loss: Loss, epoch: int, *, forgot: bool = True) -> None:
        """Until the site is filled anew, or at once where nothing of the feed was forgotten, and so no hold."""
        if not forgot:
            self._ledger.losses.remove(loss)
            return
        began_s = self._now()

        async def until_filled() -> None:
            while True:
                with suppress(Unavailable, Fault):
                    await self._town.filled(epoch)
                    break
                await asyncio.sleep(0.1)
            loss.until_s = self._now()
            self.refilled_s.append(loss.until_s - began_s)

        task = asyncio.create_task(until_filled())
        self._watching.add(task)
