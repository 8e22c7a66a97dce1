"""What lets things meet that seldom do: somebody stands still for too long, and others come in between."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace

from widget_server.domain.holds import Line
from widget_server.simulator.customers import CONFIRMING_WINDOW_MS, cancel_of, confirm_of
from widget_server.simulator.invariants import Broken
from widget_server.simulator.ledger import Visitor
from widget_server.simulator.operations import ask, operation
from widget_server.simulator.payments import check_out_of, choose_of, come_back_of, go_back_of, pay_of, settle
from widget_server.simulator.people import hold_of, new_visitor
from widget_server.simulator.workers import change_of, deliver, resized, sweep
from widget_server.simulator.world import BY_SHIFT, World, services_of

TURNS_BEFORE_MAX, CALLS_MEANWHILE = 25, 40
SEATS_MAX = 4
AT_ONCE_MAX = 10


@operation(weight=1.5)
async def all_others_stand_still(world: World) -> str:
    """For longer than a confirmation may take; the worker sees to what they have begun."""
    for _ in range(world.chance.randrange(TURNS_BEFORE_MAX)):
        await world.turns.turn()
    world.turns.stop_all(CALLS_MEANWHILE)
    world.pass_time(CONFIRMING_WINDOW_MS + 1)
    return await sweep(world)


@operation(weight=2)
async def several_hold_at_once(world: World) -> str:
    """At one process and in one tick, as when tickets go on sale: they leave as one script or two."""
    first, process = new_visitor(world), world.web()
    if first is None:
        return "nothing is offered"
    holds = [hold_of(world, first, first.lines, process)]
    for _ in range(world.chance.randrange(1, AT_ONCE_MAX)):
        other = new_visitor(world, first.site)
        if other is not None:
            other.lines = world.chance.choice((first.lines, other.lines))
            holds.append(hold_of(world, other, other.lines, process))
    return await _at_once(*holds)


@operation(weight=0.7)
async def two_cancel_at_once(world: World) -> str:
    """In the same slot, while the worker tells what it finds."""
    one = world.ledger.customer()
    slots = {line.slot for line in one.lines} if one else set()
    for other in world.ledger.customers:
        if one and other is not one and other.site == one.site and slots & {line.slot for line in other.lines}:
            return await _at_once(cancel_of(world, one), cancel_of(world, other), deliver(world))
    return "nobody has booked the same"


@operation(weight=0.15)
async def others_want_what_redis_has_just_forgotten(world: World) -> str:
    """All seats that are left are booked, Redis goes back to before, and nobody has noticed yet."""
    one, other = _free_visitor(world), _free_visitor(world)
    if one is None or other is None:
        return "nothing is offered"
    slot = one.lines[0].slot
    left = world.books.offer(one.site, slot.service).capacity - world.books.booked(one.site, slot.id)
    world.redis.remember()
    one.lines, other.site, other.lines = (Line(slot, min(SEATS_MAX, max(1, left))),), one.site, (Line(slot, 1),)
    booked = await confirm_of(world, one)
    world.redis.go_back(is_another=world.chance.random() < 0.5)
    return f"{booked}; {await confirm_of(world, other)}"


def _free_visitor(world: World) -> Visitor | None:
    """Who books at once what costs nothing."""
    visitor = new_visitor(world)
    if visitor is None:
        return None
    visitor.state = "over"
    fixed = {service.key for service in services_of(visitor.site)} - {service.key for service in BY_SHIFT}
    return visitor if not visitor.is_priced and visitor.lines[0].slot.service in fixed else None


@operation(weight=0.3)
async def seats_go_while_somebody_pays(world: World) -> str:
    """An operator takes them out, and they are charged at once: they may choose others, or have their money again."""
    purchase = world.purchases.with_page()
    if purchase is None:
        return "nobody has a page"
    site, wanted = world.sites[purchase.visitor.site], purchase.lines[0].slot.service
    service = next(service for service in services_of(site.key) if service.key == wanted)
    said = [await change_of(world, world.web(), site, *resized(world, site, replace(service, capacity=1)))]
    said += [pay_of(world, purchase, how="ideal"), await settle(world)]
    if purchase.secret:
        said.append(await come_back_of(world, purchase))
    if purchase.offered and not purchase.is_paid:
        said.append(await choose_of(world, purchase))
    return "; ".join(said)


@operation(weight=0.5)
async def a_count_is_told_late(world: World) -> str:
    """Somebody has read what is booked, and stands still; by the time that they tell it, others have told more."""
    one = world.ledger.customer()
    if one is None:
        return "nobody has booked"
    process = world.web()
    site = (await process.do(process.catalog.find(one.site))).site
    counted = await process.do(process.store.booked_after(site.id, one.id))
    cancelled = await cancel_of(world, one)
    answer = await ask(process, process.reconciliation.tell_freed(site, counted))
    return f"{cancelled}; {process.name} tells what was before: {answer!r}"


@operation(weight=0.5)
async def a_pin_is_ended_late(world: World) -> str:
    """Somebody has given a payment up, and stands still; by the time that they end its pin, its customer pays anew."""
    purchase = world.purchases.unpaid()
    if purchase is None:
        return "nobody pays"
    process, visitor = world.worker(), purchase.visitor
    site = (await process.do(process.catalog.find(visitor.site))).site
    said, decided = [await go_back_of(world, purchase)], world.books.decided(visitor.site, visitor.id)
    if decided is None or decided.state != "abandoned":
        return said[0]
    said.append(await check_out_of(world, purchase))
    answer = await ask(process, process.engine.unpin(site, visitor.id, fence=decided.fence, release=True))
    return "; ".join([*said, f"{process.name} ends pin {decided.fence}: {answer!r}"])


async def _at_once(*acts: Awaitable[str]) -> str:
    """What broke goes before what went wrong."""
    answers = await asyncio.gather(*acts, return_exceptions=True)
    problems = [answer for answer in answers if isinstance(answer, BaseException)]
    for problem in sorted(problems, key=lambda problem: not isinstance(problem, Broken)):
        raise problem
    return "; ".join(map(str, answers))
