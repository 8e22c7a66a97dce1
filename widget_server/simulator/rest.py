"""The only place that lets the world come to rest, with all faults over, and then looks at everything."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from widget_server.clock import to_ms
from widget_server.domain.slots import Slot
from widget_server.errors import Unavailable
from widget_server.simulator import diaries, whole
from widget_server.simulator.customers import is_kept
from widget_server.simulator.invariants import Invariant, must
from widget_server.simulator.payments import check_purchases
from widget_server.simulator.processes import Process
from widget_server.simulator.whole import Whole
from widget_server.simulator.widgets import Shown, Widget, is_shared, month_of
from widget_server.simulator.world import PARTITION, SITES, WEBS, WORKER, World, services_of

ROUNDS_MAX = 30
"""Of the audit, each of half a minute."""
PAUSE_MS = 1_000
SETTLED_WITHIN = timedelta(seconds=10)
"""Of the end of all faults, and of what processes that have died have claimed."""
REMEMBERED = timedelta(days=1)


async def come_to_rest(world: World) -> None:
    world.faults.stop()
    try:
        await _settle_all(world)
        for _ in range(ROUNDS_MAX):
            if await _has_worked(world) and _nothing_is_left(world):
                break
            world.pass_time(PAUSE_MS)
        await _check(world)
        world.witness.doubted.clear()
    finally:
        world.faults.go_on()


def check_all(world: World) -> Whole:
    """What must hold at any moment."""
    seen = whole.look(world.redis.line, PARTITION, world.redis.now_ms())
    whole.check(seen, world.books.is_freed)
    miscounted = world.books.miscounted_meetings(_since(world))
    must(not miscounted, Invariant.MEETING, f"{miscounted}")
    world.till.check()
    twice, badly = world.books.assigned_twice(_since(world)), world.books.badly_served(_since(world))
    must(not twice, Invariant.CLAIM, f"{twice}")
    must(not badly, Invariant.DIARY, f"{badly}")
    return seen


def check_orders(world: World) -> None:
    """Whatever was ever confirmed to anybody; asked at the end, as it takes a while."""
    for visitor in world.ledger.orders.values():
        is_kept(world, visitor)


async def _settle_all(world: World) -> None:
    """Until nobody waits for money any more, but payers who still have time; as soon as the worker looks again."""
    sessions = world.stripe.account.sessions
    known = world.till.known_to_take(world.clock.now(), sessions)
    settled_until, refunded_until = (until + SETTLED_WITHIN for until in known)
    while True:
        worker = world.worker()
        with suppress(Unavailable):
            await worker.do(worker.reconciliation._look_after(PARTITION))
        with suppress(Unavailable):
            while await _has_settled(worker):
                pass
        now = world.clock.now()
        attempts, refunds = world.till.unfinished(now, sessions), world.till.unrefunded()
        looks = [look for look in attempts + refunds if look is not None]
        must(len(looks) == len(attempts + refunds), Invariant.ATTEMPT, f"nobody looks again at {attempts}, {refunds}")
        must(not attempts or now < settled_until, Invariant.ATTEMPT, f"not settled yet: {attempts}")
        must(not refunds or now < refunded_until, Invariant.ATTEMPT, f"not given back yet: {refunds}")
        if not looks:
            return
        probe_at = world.till.next_probe()
        next_at = min(looks if probe_at is None else [*looks, probe_at])
        world.pass_time(max(1, -((now - next_at) // timedelta(milliseconds=1))))


async def _has_settled(worker: Process) -> bool:
    """Whether anything was due of all that a worker does for payments."""
    settling, refunding = worker.settling, worker.refunding
    return any([await worker.do(work()) for work in (settling.probe_due, settling.settle_due, refunding.refund_due)])


async def _has_worked(world: World) -> bool:
    """What a worker does by itself all the time, whatever is in its way just now."""
    worker, is_done = world.worker(), True
    reconciliation = worker.reconciliation
    for work in (
        reconciliation._look_after(PARTITION),
        reconciliation.sweep(PARTITION),
        reconciliation.deliver(),
        reconciliation._go_round(PARTITION),
    ):
        try:
            await worker.do(work)
        except Unavailable:
            is_done = False
    for name in (*WEBS, WORKER):
        world.living(name)
        await world.hear(name)
    return is_done


def _nothing_is_left(world: World) -> bool:
    seen = whole.look(world.redis.line, PARTITION, world.redis.now_ms())
    overdue = [
        hold
        for ref, hold in seen.holds.items()
        if hold.state in ("held", "paying") and hold.due_ms <= seen.now_ms and not world.books.is_being_paid(*ref)
    ]
    living = [process for process in world.processes.values() if process.is_alive]
    are_waiting = any(process.reconciliation.has_to_stand_in(PARTITION) for process in living)
    return not overdue and not are_waiting and world.books.untold() == 0


async def _check(world: World) -> None:
    seen = check_all(world)
    whole.check_at_rest(seen, world.books.is_being_paid)
    world.till.check_at_rest(world.stripe.account.sessions)
    check_purchases(world)
    must(world.books.untold() == 0, Invariant.REST_OUTBOX, f"{world.books.untold()} are not told")
    wrong = world.books.orders_without_their_outcome()
    must(not wrong, Invariant.ORDER, f"{wrong}")
    for visitor in world.ledger.customers:
        is_kept(world, visitor)
    for visitor in world.ledger.confirming:
        booked_lines = world.books.lines_of(visitor.site, visitor.id) if visitor.refused else []
        must(not booked_lines, Invariant.SAME, f"{visitor} was told no, and has {booked_lines}")
    booked = world.books.booked_from(_since(world))
    since = world.clock.now() - REMEMBERED
    counted = {slot for slot, seats in seen.seats.items() if seats.booked and Slot.parse(slot[1]).starts_at >= since}
    pairs = {slot: (whole.seats_of(seen, slot).booked, booked.get(slot, 0)) for slot in booked.keys() | counted}
    wrong_counts = sorted((slot, *pair) for slot, pair in pairs.items() if pair[0] != pair[1])
    must(not wrong_counts, Invariant.REST_BOOKED, f"in Redis and in SQL: {wrong_counts}")
    _check_diaries(world, seen)
    await _check_reading(world, seen)
    world.raise_what_broke()


def _check_diaries(world: World, seen: Whole) -> None:
    """Bookings that are to come have claimed just whom SQL says."""
    now_ms = to_ms(world.clock.now())
    in_sql = {
        (one.site, f"{one.claimed}", f"{one.hold_id}:{one.slot}:{_ms(one.busy_from)}:{_ms(one.busy_until)}:{one.seats}")
        for one in world.books.assigned(f"{world.clock.now():%Y-%m-%d %H:%M:%S}")
    }
    differ = diaries.booked_in(seen.diaries, now_ms) ^ in_sql
    must(not differ, Invariant.DIARY, f"in Redis or in SQL only: {sorted(differ)}")


def _ms(instant: str) -> int:
    """As SQLite writes it."""
    return to_ms(datetime.fromisoformat(instant).replace(tzinfo=UTC))


def _check_left(world: World, seen: Whole, site: str, month: dict[str, Any]) -> None:
    """What is told of slots that share people is what stands in all diaries."""
    for slot in month["slots"]:
        offered = world.plans[site].find(Slot.parse(slot["id"]))
        assert offered is not None
        taken = whole.seats_of(seen, (site, slot["id"])).taken
        left = diaries.left_of(seen.diaries, site, offered, taken, seen.now_ms)
        must(slot["left"] == left, Invariant.READ, f"{site} has {left} left of {offered}, and tells {slot}")


async def _check_reading(world: World, seen: Whole) -> None:
    fresh = world.newcomer()
    for site in SITES:
        await world.look_at_plan(site)
        _, shared = await fresh.schedules.load_with_site(world.sites[site].id)
        must(shared == world.plans[site], Invariant.READ, f"the schedule of {site} is read as it was before")
        for service in services_of(site):
            read = await month_of(world, fresh, site, service.key)
            _check_left(world, seen, site, read)
            for name in WEBS:
                other = await month_of(world, world.living(name), site, service.key)
                must(other["slots"] == read["slots"], Invariant.READ, f"{name}: {other}, fresh: {read}")
    for widget in world.widgets:
        await _let_read(world, widget)
    for widget in world.widgets:
        shown = await _fresh(world, fresh, widget.site, widget.service)
        wrong = {slot: (widget.shown[slot], shown[slot]) for slot in shown.keys() & widget.shown.keys()}
        wrong = {slot: pair for slot, pair in wrong.items() if _differ(slot, *pair)}
        must(not wrong, Invariant.WATCHED, f"{widget.site} shown and fresh: {wrong}")
    fresh.crash()


def _differ(slot: str, shown: Shown, fresh: Shown) -> bool:
    """A version alone may be another where people are shared: claims of other hours count in it, too."""
    return shown[:2] != fresh[:2] or (shown != fresh and not is_shared(slot))


async def _let_read(world: World, widget: Widget) -> None:
    """All that it was told to."""
    if widget.is_cut_off:
        await widget.connect(world.web())
    widget.take_more()
    if widget.must_read:
        await widget.read(world.web())


async def _fresh(world: World, process: Process, site: str, service: str) -> dict[str, Shown]:
    month = await month_of(world, process, site, service)
    return {slot["id"]: (slot["held"], slot["booked"], slot["version"]) for slot in month["slots"]}


def _since(world: World) -> str:
    """As SQLite writes instants."""
    return f"{world.clock.now() - REMEMBERED:%Y-%m-%d %H:%M:%S}"
