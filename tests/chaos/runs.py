"""One run: a town under load while a saboteur is at work, then quiet, then the books."""

import asyncio
import os
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path

from httpx2 import HTTPError
from sqlalchemy.exc import SQLAlchemyError

from tests.chaos.books import read_books
from tests.chaos.ledger import Leap, Ledger
from tests.chaos.menus import MENUS, Menu, families_of, missed
from tests.chaos.mother import mother_of
from tests.chaos.patience import until
from tests.chaos.payers import Payer
from tests.chaos.processes import waited_for_processor_s
from tests.chaos.stripe_saboteur import StripeSaboteur
from tests.chaos.town import CAPACITY, ROOT, Templates, Town, town
from tests.chaos.visitors import Street, Visitor
from tests.chaos.watchers import Watcher
from tests.payments.shop import Shop, opened_shop
from widget_server.cli import _COMMANDS
from widget_server.errors import Fault, Refusal
from widget_server.ids import new_id
from widget_server.use_cases.bookings import CONFIRMING_WINDOW

VISITORS, PAYERS = 14, 10
WATCHERS = 6
QUIET_S = 5.0
"""So long after the last fault all books take at most to agree by themselves (invariant 4). Where more processes wanted
to run than there are processors, before this town began, each gets less done in a second: so many times longer.
"""
FINISHED_S = 3.0
"""Longer than the head start that is given to whoever tells Redis at once, before a worker does."""
QUIET_MAX_S = 60.0
"""Whoever takes longer than that will hardly ever."""
_BOOKINGS_MIN, _PAYMENTS_MIN, _ENOUGH_MAX_S = 20, 5, 240.0
PAYMENTS_END_S, _HURRY_EVERY_S = 20.0, 1.0
"""So long after its time is over each payment has come to its end at most, and all money is where it belongs; likewise
so many times longer.
"""
_MENDED_WITHIN_S, _AUDIT_MAX_S = 15, 120.0
_LIMITS_MAX = 3
"""What failed once more while a limit passed is put off again."""
_KEYS = {"secret_key": "sk_live_of_the_town", "webhook_secret": "whsec_of_the_town"}
_LIMIT = CONFIRMING_WINDOW + timedelta(seconds=2)
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
    payments: int = 0
    """How many have paid, at Stripe."""
    given_back: int = 0
    """How often money went back, by refund or as it was never taken."""
    resets: int = 0
    epochs: int = 0
    missed: list[str] = field(default_factory=list)
    """Of the menu, the families of which nothing was done."""
    quiet_after_s: float = 0.0
    """How long it took until the books agreed."""
    waited_s: float = 0.0
    """How long processes of the town, all together, wanted to run meanwhile, and others had the processors."""
    quiet_max_s: float = QUIET_S
    paid_after_s: float = 0.0
    """Likewise, until each payment had come to its end, from when its time was over."""
    unfinished: list[str] = field(default_factory=list)
    """What somebody was killed over, and had to wait for a time limit of ours."""
    refilled_s: list[float] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    logs: dict[str, str] = field(default_factory=dict)
    """Of all processes, where there are complaints."""

    @property
    def is_late(self) -> bool:
        """Against invariant 4."""
        return self.quiet_after_s - self.waited_s > self.quiet_max_s

    def __str__(self) -> str:
        made = ", ".join(f"{name} {count}" for name, count in sorted(self.faults.items()))
        done = f"{self.visits} visits, {self.bookings} bookings, {self.payments} paid, {self.given_back} given back"
        done = f"{done}, {self.answers.total()} answers, {self.epochs} epochs"
        quiet = f"quiet after {self.quiet_after_s:.1f} s of {self.quiet_max_s:.1f} s"
        quiet = f"{quiet}, of which all together waited {self.waited_s:.1f} s to run, {len(self.unfinished)} unfinished"
        quiet = f"{quiet}, all paid after {self.paid_after_s:.1f} s"
        return f"{self.menu}, seed {self.seed}: {done}, {self.resets} resets; {quiet}; {made}"


@dataclass(frozen=True)
class _Look:
    """What does not agree, what is not finished, and which money is still on its way."""

    wrong: list[str]
    unfinished: list[str] = field(default_factory=list)
    unpaid: list[str] = field(default_factory=list)


Sight = Callable[[], Awaitable[_Look]]


async def run(
    menu: str, seed: int, made_from: Templates, *, seconds: float, tree: Path = ROOT, faults: bool = True
) -> Report:
    """All decisions come from the seed; when they happen is up to the machine."""
    report = Report(menu, seed, quiet_max_s=QUIET_S * _queue())
    postgres = menu not in _WITHOUT_LINES_TO_SQL
    clock = "step_clock" in MENUS[menu]
    async with (
        opened_shop(**_KEYS) as shop,
        town(made_from, postgres=postgres, clock=clock, tree=tree, shop=shop) as at_work,
    ):
        ledger = Ledger()
        saboteur = StripeSaboteur(at_work, ledger, chance(seed, "saboteur"))
        shown = [service.key for service in at_work.services]
        names = [f"watcher {n}" for n in range(WATCHERS)]
        watchers = [Watcher(at_work, chance(seed, name), name, services=shown) for name in names]
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
        report.missed = missed(MENUS[menu], saboteur.done)
        report.visits, report.answers = len(ledger.visits), ledger.answers
        report.bookings, report.payments = ledger.bookings, ledger.payments
        report.given_back = _given_back(shop)
        report.epochs = (await at_work.site()).epoch
    return report


def chance(seed: int, whose: str) -> random.Random:
    """Each their own, so that what one decides is the same however often another does."""
    return random.Random(f"{seed} {whose}")  # noqa: S311


async def _under_load(
    at_work: Town, ledger: Ledger, saboteur: StripeSaboteur, seed: int, seconds: float, menu: Menu
) -> None:
    street = Street(at_work, ledger)
    visitors = [Visitor(street, chance(seed, f"visitor {n}")).keep_coming() for n in range(VISITORS)]
    payers = [Payer(street, chance(seed, f"payer {n}")).keep_coming() for n in range(PAYERS)]
    at_it = [_until_enough(ledger, saboteur, seconds, menu), *visitors, *payers]
    try:
        async with _at_it([*at_it, *([saboteur.keep_busy(menu, families_of(menu))] if menu else [])]) as tasks:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    finally:
        await street.close()


async def _until_enough(ledger: Ledger, saboteur: StripeSaboteur, seconds: float, menu: Menu) -> None:
    """So long at least, and until something of everything has been done; then, in peace, until something has come of
    it: a slow machine has no time for that between two faults.
    """
    await asyncio.sleep(seconds)

    async def is_all_done() -> bool:
        return not missed(menu, saboteur.done)

    async def is_enough() -> bool:
        return ledger.bookings >= _BOOKINGS_MIN and ledger.payments >= _PAYMENTS_MIN

    with suppress(TimeoutError):
        await until(is_all_done, patience_s=_ENOUGH_MAX_S)
    saboteur.rests = True
    with suppress(TimeoutError):
        await until(is_enough, patience_s=_ENOUGH_MAX_S)


async def _until_quiet(at_work: Town, ledger: Ledger, watchers: Sequence[Watcher], report: Report) -> None:
    """All books agree soon by themselves, payments end once their time is over, and no pin is left after its own."""
    await at_work.until_all_are_up()
    loop = asyncio.get_running_loop()
    sight = partial(_look, at_work, ledger, watchers)
    began_s, waited_s = loop.time(), _waited_s(at_work)
    look = await _look_until(sight, lambda look: not look.wrong, QUIET_MAX_S)
    report.quiet_after_s = loop.time() - began_s
    report.waited_s = sum(of_one - waited_s.get(pid, 0.0) for pid, of_one in _waited_s(at_work).items())
    report.complaints += look.wrong
    look = await _until_paid(at_work, ledger, sight, report)
    report.complaints += [*look.wrong, *look.unpaid]
    if look.unfinished:
        look = await _look_until(sight, _is_all_done, FINISHED_S)
    report.unfinished = look.unfinished
    for _ in range(_LIMITS_MAX):
        if look.unfinished:
            await _let_pins_end(at_work, ledger)
            look = await _look_until(sight, _is_all_done, QUIET_MAX_S)
            report.complaints += [] if look.unfinished else look.wrong
    report.complaints += look.unfinished


async def _until_paid(at_work: Town, ledger: Ledger, sight: Sight, report: Report) -> _Look:
    """Nobody is at a pay page any more: whatever was paid is booked, or goes back."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    ledger.leave_pages(ledger.visits.values(), began_s)
    while True:
        with suppress(SQLAlchemyError):
            await at_work.hurry_payments()
        look = await _look_until(sight, lambda look: not look.wrong and not look.unpaid, _HURRY_EVERY_S)
        report.paid_after_s = loop.time() - began_s
        is_late = report.paid_after_s > PAYMENTS_END_S * report.quiet_max_s / QUIET_S
        if not (look.wrong or look.unpaid) or is_late or report.complaints:
            return look


def _given_back(shop: Shop) -> int:
    voided = [
        intent for intent in shop.account.intents.values() if intent.status == "canceled" and intent.authorised_at
    ]
    return len(shop.account.refunds) + len(voided)


def _queue() -> float:
    """How many processes wanted to run for each processor, in the last minute."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def _waited_s(at_work: Town) -> dict[int, float]:
    """Of each process, ours among them, since it began."""
    processes = [at_work.valkey.process, *(member.process for member in at_work.members)]
    pids = [os.getpid(), *(process.pid for process in processes if process.pid is not None)]
    return {pid: waited_for_processor_s(pid) for pid in pids}


async def _look_until(sight: Sight, is_good: Callable[[_Look], bool], patience_s: float) -> _Look:
    """As soon as it is good, or else after so long."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + patience_s
    while True:
        look = await sight()
        if is_good(look) or loop.time() > until_s:
            return look
        await asyncio.sleep(0.2)


async def _look(at_work: Town, ledger: Ledger, watchers: Sequence[Watcher]) -> _Look:
    try:
        if (await at_work.gate())[1] == "REBUILDING":
            return _Look(["the gate is closed"])
        books = await read_books(at_work, at_work.webs, watchers, ledger)
    except (Fault, Refusal, OSError, HTTPError, SQLAlchemyError) as trouble:
        return _Look([f"the books cannot be read: {trouble!r}"])
    return _Look(books.complaints(ledger), books.unfinished(), books.money.unfinished())


def _is_all_done(look: _Look) -> bool:
    return not look.wrong and not look.unfinished


async def _let_pins_end(at_work: Town, ledger: Ledger) -> None:
    """As if half a minute had passed by Redis's clock."""
    ledger.leaps.append(Leap(asyncio.get_running_loop().time(), _LIMIT.total_seconds()))
    await at_work.leap(_LIMIT)


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
    log = at_work.folder / f"{new_id()}.log"
    audit = mother_of(at_work.tree).child(("audit", "--json"), at_work.folder, at_work.environment(), log)
    code = await asyncio.to_thread(audit.wait, _AUDIT_MAX_S)
    return [] if code == 0 else [f"tenuto audit: exit code {code}: {log.read_text()[-1000:]}"]


@asynccontextmanager
async def _at_it(coroutines: Sequence[Coroutine[None, None, None]]) -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks = [asyncio.create_task(each) for each in coroutines]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
