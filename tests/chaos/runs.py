"""One run: a town under load while a saboteur is at work, then quiet, then the books."""

import asyncio
import random
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from httpx2 import HTTPError
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from tests.chaos.books import read_books
from tests.chaos.ledger import Leap, Ledger
from tests.chaos.patience import until
from tests.chaos.saboteur import Saboteur
from tests.chaos.town import CAPACITY, ROOT, Templates, Town, town
from tests.chaos.visitors import Street, Visitor
from tests.chaos.watchers import Watcher
from widget_server.cli import _COMMANDS
from widget_server.errors import Fault, Refusal
from widget_server.use_cases.bookings import CONFIRMING_WINDOW
from widget_server.use_cases.restoring import TAKEOVER_AFTER

VISITORS = 24
WATCHERS = 6
QUIET_S = 5.0
"""So long after the last fault all books should take to agree by themselves (invariant 4)."""
FINISHED_S = 3.0
"""Longer than the head start that is given to whoever tells Redis at once, before a worker does."""
QUIET_MAX_S = 20.0
"""Longer than that only a test may wait, on a machine that has much else to do."""
_BOOKINGS_MIN, _FAULTS_MIN, _ENOUGH_MAX_S = 20, 4, 60.0
_LEFT_REBUILDING = ["a rebuild is left by its process"]
_MENDED_WITHIN_S = 15
_LIMITS_MAX = 3
"""What failed once more while a limit passed is put off again."""
_LIMITS = max(CONFIRMING_WINDOW, TAKEOVER_AFTER) + timedelta(seconds=2)
"""Longer than a confirmation's window, an event's claim and a rebuild's takeover time."""

Menu = Mapping[str, int]

KILLED: Menu = {
    "kill_web": 3,
    "kill_worker": 2,
    "kill_all_workers": 1,
    "kill_valkey": 3,
    "kill_web_before_commit": 2,
    "kill_web_after_commit": 3,
    "kill_web_after_pin": 2,
    "kill_web_before_telling": 2,
}
LINES: Menu = {
    "lose_replies": 3,
    "cut_replies": 3,
    "delay_replies": 2,
    "hang_up_redis": 1,
    "flush_scripts": 3,
    "stop_web": 1,
    "stop_worker": 1,
    "stop_valkey": 1,
}
FORGETS: Menu = {
    "empty_redis": 2,
    "empty_redis_while_down": 1,
    "truncate_file": 3,
    "put_older_file_back": 4,
    "kill_web": 1,
    "kill_worker": 1,
}
TIME: Menu = {
    "step_clock": 4,
    "leap_ahead": 1,
    "stop_web_past_resolve_by": 4,
    "stop_worker": 1,
    "stop_web": 1,
    "kill_web_after_pin": 1,
}
SQL: Menu = {
    "stop_postgres": 2,
    "lose_sql_replies": 3,
    "lose_commit_answer": 4,
    "hang_up_sql": 2,
    "kill_web_after_commit": 1,
    "kill_worker": 1,
}
EVERYTHING: Menu = {name: 1 for menu in (KILLED, LINES, FORGETS, TIME, SQL) for name in menu}
MENUS = {"killed": KILLED, "lines": LINES, "forgets": FORGETS, "time": TIME, "sql": SQL, "everything": EVERYTHING}
_WITHOUT_LINES_TO_SQL = {"lines"}
"""Run on SQLite, which several processes of one machine may share."""


@dataclass
class Report:
    menu: str
    seed: int
    faults: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    visits: int = 0
    bookings: int = 0
    resets: int = 0
    epochs: int = 0
    quiet_after_s: float = 0.0
    """How long it took until the books agreed."""
    unfinished: list[str] = field(default_factory=list)
    """What somebody was killed over, and had to wait for a time limit of ours."""
    refilled_s: list[float] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    logs: dict[str, str] = field(default_factory=dict)
    """Of all processes, where there are complaints."""

    def __str__(self) -> str:
        made = ", ".join(f"{name} {count}" for name, count in sorted(self.faults.items()))
        done = f"{self.visits} visits, {self.bookings} bookings, {self.answers.total()} answers, {self.epochs} epochs"
        quiet = f"quiet after {self.quiet_after_s:.1f} s, {len(self.unfinished)} unfinished"
        return f"{self.menu}, seed {self.seed}: {done}, {self.resets} resets; {quiet}; {made}"


async def run(
    menu: str, seed: int, made_from: Templates, *, seconds: float, tree: Path = ROOT, faults: bool = True
) -> Report:
    """All decisions come from the seed; when they happen is up to the machine."""
    report = Report(menu, seed)
    postgres = menu not in _WITHOUT_LINES_TO_SQL
    async with town(made_from, postgres=postgres, clock="step_clock" in MENUS[menu], tree=tree) as at_work:
        ledger = Ledger()
        saboteur = Saboteur(at_work, ledger, chance(seed, "saboteur"))
        watchers = [Watcher(at_work, chance(seed, f"watcher {n}"), f"watcher {n}") for n in range(WATCHERS)]
        async with _at_it([watcher.watch() for watcher in watchers]):
            await _under_load(at_work, ledger, saboteur, seed, seconds, MENUS[menu] if faults else {})
            await saboteur.end()
            await _until_quiet(at_work, ledger, watchers, report)
        report.complaints += ledger.complaints(CAPACITY)
        for watcher in watchers:
            report.complaints += watcher.surprises
            report.resets += watcher.resets
        report.complaints += await _last_words(at_work)
        if report.complaints:
            report.logs = {member.process.name: member.process.said() for member in at_work.members}
        report.faults, report.refilled_s = saboteur.done, saboteur.refilled_s
        report.visits, report.answers = len(ledger.visits), ledger.answers
        report.bookings = ledger.bookings
        report.epochs = (await at_work.site()).epoch
    return report


def chance(seed: int, whose: str) -> random.Random:
    """Each their own, so that what one decides is the same however often another does."""
    return random.Random(f"{seed} {whose}")  # noqa: S311


async def _under_load(at_work: Town, ledger: Ledger, saboteur: Saboteur, seed: int, seconds: float, menu: Menu) -> None:
    street = Street(at_work, ledger)
    visitors = [Visitor(street, chance(seed, f"visitor {n}")).keep_coming() for n in range(VISITORS)]
    at_it = [_until_enough(ledger, saboteur, seconds, faults_min=_FAULTS_MIN if menu else 0), *visitors]
    try:
        async with _at_it([*at_it, *([saboteur.keep_busy(menu)] if menu else [])]) as tasks:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    finally:
        await street.close()


async def _until_enough(ledger: Ledger, saboteur: Saboteur, seconds: float, *, faults_min: int) -> None:
    """So long, and on a machine that has much else to do until something has come of it."""
    await asyncio.sleep(seconds)

    async def is_enough() -> bool:
        return ledger.bookings >= _BOOKINGS_MIN and saboteur.done.total() >= faults_min

    with suppress(TimeoutError):
        await until(is_enough, patience_s=_ENOUGH_MAX_S)


async def _until_quiet(at_work: Town, ledger: Ledger, watchers: Sequence[Watcher], report: Report) -> None:
    """All books agree soon by themselves, and all is finished once our own time limits have passed."""
    await at_work.until_all_are_up()
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    wrong, unfinished = await _wrong_after(at_work, ledger, watchers, QUIET_MAX_S)
    report.quiet_after_s = loop.time() - began_s
    report.complaints += wrong if unfinished != _LEFT_REBUILDING else []
    if unfinished:
        wrong, report.unfinished = await _wrong_after(at_work, ledger, watchers, FINISHED_S, until_finished=True)
    for _ in range(_LIMITS_MAX):
        if report.unfinished:
            await _let_limits_pass(at_work, ledger)
            wrong, unfinished = await _wrong_after(at_work, ledger, watchers, QUIET_MAX_S, until_finished=True)
            if not unfinished:
                report.complaints += wrong
                return
    report.complaints += unfinished if report.unfinished else []


async def _wrong_after(
    at_work: Town, ledger: Ledger, watchers: Sequence[Watcher], patience_s: float, *, until_finished: bool = False
) -> tuple[list[str], list[str]]:
    """What does not agree, and what is not finished: as soon as there is nothing, or else after so long."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + patience_s
    while True:
        wrong, unfinished = await _look(at_work, ledger, watchers)
        if (not wrong and not (until_finished and unfinished)) or loop.time() > until_s:
            return wrong, unfinished
        await asyncio.sleep(0.2)


async def _look(at_work: Town, ledger: Ledger, watchers: Sequence[Watcher]) -> tuple[list[str], list[str]]:
    try:
        if (await at_work.gate())[1] == "REBUILDING":
            return ["the gate is closed"], _LEFT_REBUILDING
        books = await read_books(at_work, at_work.webs, watchers, ledger)
    except (Fault, Refusal, OSError, HTTPError, SQLAlchemyError) as trouble:
        return [f"the books cannot be read: {trouble!r}"], []
    return books.complaints(ledger), books.unfinished()


async def _let_limits_pass(at_work: Town, ledger: Ledger) -> None:
    """As if half a minute had passed: for pins and rebuilds, which Redis's clock decides, and for claimed events."""
    ledger.leaps.append(Leap(asyncio.get_running_loop().time(), _LIMITS.total_seconds()))
    await at_work.leap(_LIMITS)
    engine = create_engine(at_work.sql_url.replace("+aiosqlite", ""))
    with engine.begin() as sql:
        sql.execute(text("UPDATE outbox SET due_at = created_at"))
    engine.dispose()


async def _last_words(at_work: Town) -> list[str]:
    """What no fault excuses in the logs, processes that ended by themselves, and what the audit finds."""
    found: list[str] = []
    for member in at_work.members:
        found += member.supervised.ended_by_itself
        for traceback in re.findall(
            r"^.*\n?Traceback \(most recent call last\):(?:\n .*)*\n.*", member.process.said(), re.M
        ):
            found.append(f"{member.process.name}: {traceback[-2000:]}")
    if "audit" in _COMMANDS:
        found += await _audited(at_work)
    return found


async def _audited(at_work: Town) -> list[str]:
    """What the audit finds once the workers have had time for a round: they mend what Redis kept of what it forgot."""
    found: list[str] = []
    for _ in range(_MENDED_WITHIN_S):
        found = await _audit(at_work)
        if not found:
            break
        await asyncio.sleep(1)
    return found


async def _audit(at_work: Town) -> list[str]:
    audit = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "widget_server", "audit", "--json"),
        cwd=at_work.folder,
        env=at_work.environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await audit.communicate()
    return [] if audit.returncode == 0 else [f"tenuto audit: exit code {audit.returncode}: {said.decode()[-1000:]}"]


@asynccontextmanager
async def _at_it(coroutines: Sequence[Coroutine[None, None, None]]) -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks = [asyncio.create_task(each) for each in coroutines]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
