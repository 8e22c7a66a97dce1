"""What visitors and thieves do with holds, and what a visitor may rely on afterwards."""

from math import inf

from widget_server.clock import to_ms
from widget_server.domain.holds import Hold, HoldState, Line
from widget_server.domain.orders import Order
from widget_server.errors import HoldEnded, HoldsOff, Refusal, SlotClosed, SlotFull
from widget_server.ids import hash_secret
from widget_server.simulator.invariants import Invariant, must
from widget_server.simulator.ledger import REMEMBERED_MS, Asking, Visitor
from widget_server.simulator.operations import ask, operation
from widget_server.simulator.processes import Process
from widget_server.simulator.world import SITES, World
from widget_server.use_cases.bookings import Confirmed
from widget_server.use_cases.pinning import HoldRef, Visit

VISITORS, NETWORKS = 8, 3
_OFFER_CHANGED = (SlotClosed, HoldsOff)
"""What an operator has changed stands in everybody's way."""


@operation(weight=30)
async def hold(world: World) -> str:
    visitor = new_visitor(world)
    return await hold_of(world, visitor, visitor.lines) if visitor else "nothing is offered"


@operation(weight=7)
async def hold_again(world: World) -> str:
    """The same call, as after a lost answer."""
    visitor = world.ledger.one(world.redis.now_ms(), "asked", "held")
    return await hold_of(world, visitor, visitor.lines) if visitor else "nobody holds"


@operation(weight=2)
async def hold_something_else(world: World) -> str:
    """The same id, another body."""
    visitor = world.ledger.one(world.redis.now_ms(), "held")
    if visitor is None:
        return "nobody holds"
    first, *others = visitor.lines
    return await hold_of(world, visitor, (Line(first.slot, first.seats % 2 + 1), *others))


async def hold_of(world: World, visitor: Visitor, lines: tuple[Line, ...], process: Process | None = None) -> str:
    process = process or world.web()
    visitor.wanted.add(lines)
    with visitor.asking(world.redis.losses) as asking:
        answer = await ask(process, process.bookings.hold(visitor.ref, lines, visitor.visit))
        if isinstance(answer, Refusal):
            _refused(world, visitor, asking, answer, lines)
        else:
            _held(world, visitor, asking, answer, lines)
        return f"{process.name}: {visitor} {said(answer)}"


def _held(world: World, visitor: Visitor, asking: Asking, answer: Hold, lines: tuple[Line, ...]) -> None:
    must(answer.lines == lines and answer.id == visitor.id, Invariant.SAME, f"{visitor} got {answer}")
    if visitor.state == "held" and binds(world, visitor, asking):
        what = f"{visitor} got {answer}"
        must(lines == visitor.lines, Invariant.SAME, what)
        must((to_ms(answer.expires_at), answer.version) == (visitor.deadline_ms, visitor.version), Invariant.SAME, what)
        must(to_ms(answer.now) < visitor.deadline_ms, Invariant.NOTHING_AFTER, what)
    visitor.holds(answer, asking.losses)
    settle(world, visitor, asking)


def _refused(world: World, visitor: Visitor, asking: Asking, refusal: Refusal, lines: tuple[Line, ...]) -> None:
    """Whoever holds gets the same answer again until the deadline, unless the operator has changed the offer."""
    is_binding = visitor.state == "held" and binds(world, visitor, asking) and lines == visitor.lines
    if is_binding and not isinstance(refusal, _OFFER_CHANGED):
        must_have_ended(world, visitor, refusal)
    if visitor.state == "asked" or isinstance(refusal, HoldEnded):
        visitor.state = "over"


@operation(weight=5)
async def find_hold(world: World) -> str:
    visitor = world.ledger.one(world.redis.now_ms(), "held")
    if visitor is None:
        return "nobody holds"
    process = world.web()
    with visitor.asking(world.redis.losses) as asking:
        answer = await ask(process, process.bookings.find_hold(visitor.ref))
        if binds(world, visitor, asking):
            must(isinstance(answer, Hold), Invariant.HELD, f"{visitor} cannot be found: {answer!r}")
            assert isinstance(answer, Hold)
            expected = HoldState.HELD if to_ms(answer.now) < visitor.deadline_ms else HoldState.EXPIRED
            must(answer.state is expected, Invariant.HELD, f"{visitor} until {visitor.deadline_ms} is {answer}")
            settle(world, visitor, asking)
        return f"{process.name}: {visitor} {said(answer)}"


@operation(weight=7)
async def renew(world: World) -> str:
    visitor = world.ledger.one(world.redis.now_ms(), "held")
    return await _renew(world, visitor) if visitor else "nobody holds"


@operation(weight=0.6)
async def stay(world: World) -> str:
    """Somebody asks for more time again and again, each time just before the end."""
    visitor = world.ledger.one(world.redis.now_ms(), "held")
    if visitor is None:
        return "nobody holds"
    answers = []
    for _ in range(4):
        world.pass_time(max(0, visitor.deadline_ms - world.redis.now_ms() - 500))
        answers.append(await _renew(world, visitor))
    return "; ".join(answers)


async def _renew(world: World, visitor: Visitor) -> str:
    process = world.web()
    with visitor.asking(world.redis.losses) as asking:
        answer = await ask(process, process.bookings.renew(visitor.ref, version=visitor.version))
        if isinstance(answer, Hold):
            is_in_time = answer.expires_at <= answer.limit_at or visitor.has_paid
            must(is_in_time, Invariant.LIMIT, f"{visitor} got {answer}")
            if binds(world, visitor, asking):
                must(to_ms(answer.now) < visitor.deadline_ms, Invariant.NOTHING_AFTER, f"{visitor} got {answer}")
                must(to_ms(answer.expires_at) >= visitor.deadline_ms, Invariant.DEADLINE, f"{visitor} got {answer}")
            visitor.holds(answer, asking.losses)
            settle(world, visitor, asking)
        elif binds(world, visitor, asking):
            must_have_ended(world, visitor, answer)
        return f"{process.name}: {visitor} {said(answer)}"


@operation(weight=5)
async def change_lines(world: World) -> str:
    visitor = world.ledger.one(world.redis.now_ms(), "held")
    lines = world.wanted_lines(visitor.site) if visitor else ()
    if visitor is None or not lines:
        return "nobody holds"
    process = world.web()
    visitor.wanted.add(lines)
    with visitor.asking(world.redis.losses) as asking:
        answer = await ask(process, process.bookings.change(visitor.ref, lines, version=visitor.version))
        if isinstance(answer, Hold):
            what = f"{visitor} got {answer}"
            must(answer.lines == lines, Invariant.SAME, what)
            if binds(world, visitor, asking):
                must(to_ms(answer.now) < visitor.deadline_ms == to_ms(answer.expires_at), Invariant.DEADLINE, what)
            visitor.holds(answer, asking.losses)
            settle(world, visitor, asking)
        elif binds(world, visitor, asking) and not isinstance(answer, (SlotFull, *_OFFER_CHANGED)):
            must_have_ended(world, visitor, answer)
        return f"{process.name}: {visitor} {said(answer)}"


@operation(weight=6)
async def release(world: World) -> str:
    visitor = world.ledger.one(world.redis.now_ms(), "held")
    if visitor is None:
        return "nobody holds"
    process, began_ms = world.web(), world.redis.seen_ms()
    with visitor.asking(world.redis.losses) as asking:
        answer = await ask(process, process.bookings.release(visitor.ref))
        if binds(world, visitor, asking):
            if answer is None:
                must(began_ms < visitor.deadline_ms, Invariant.NOTHING_AFTER, f"{visitor} was released at {began_ms}")
            else:
                must_have_ended(world, visitor, answer)
        visitor.state = "over"
        return f"{process.name}: {visitor} {said(answer)}"


@operation(weight=3)
async def steal(world: World) -> str:
    """Somebody knows the id of a hold, but not its secret."""
    visitor = world.ledger.one(world.redis.now_ms(), "held", "paying")
    if visitor is None:
        return "nobody holds"
    process = world.web()
    bookings, ref = process.bookings, HoldRef(visitor.site, visitor.id, hash_secret("a guess"))
    tries = (
        lambda: bookings.release(ref),
        lambda: bookings.renew(ref, version=visitor.version),
        lambda: bookings.find_hold(ref),
        lambda: bookings.hold(ref, visitor.lines, visitor.visit),
    )
    number = world.chance.randrange(len(tries))
    sure, losses = visitor.is_sure, world.redis.losses
    answer = await ask(process, tries[number]())
    if sure and visitor.is_sure and losses == visitor.losses == world.redis.losses:
        must(isinstance(answer, Refusal), Invariant.OWNER, f"{visitor} obeyed a thief: {answer!r}")
    elif number == len(tries) - 1 and isinstance(answer, Hold):
        visitor.state = "over"  # Redis had lost it, and the thief was the first to use the id again
    return f"{process.name}: {visitor} try {number} {said(answer)}"


def new_visitor(world: World, site: str | None = None) -> Visitor | None:
    site = site or world.chance.choice(list(SITES))
    lines = world.wanted_lines(site)
    if not lines:
        return None
    visit = Visit(f"visitor {world.chance.randrange(VISITORS)}", f"network {world.chance.randrange(NETWORKS)}")
    schedule = world.plans[site].version
    visitor = Visitor(world.new_id(), site, lines, world.new_id(), visit, schedule, deadline_ms=world.redis.now_ms())
    world.ledger.visitors.append(visitor)
    return visitor


def settle(world: World, visitor: Visitor, asking: Asking) -> None:
    """The answer is known, unless an earlier call, which nobody waits for any more, is still to be carried out."""
    if not world.is_on_its_way(visitor.id):
        asking.settle()


def binds(world: World, visitor: Visitor, asking: Asking) -> bool:
    """Whether what the visitor was told last must still be so."""
    is_forgotten = world.redis.now_ms() > visitor.deadline_ms + REMEMBERED_MS
    return asking.is_binding(world.redis.losses) and not is_forgotten


def must_have_ended(world: World, visitor: Visitor, refusal: Refusal, *, given_up_ms: float = inf) -> None:
    """At its deadline, or where its pin may have been given up, as `given_up_ms` has come."""
    now_ms, until_ms = world.redis.now_ms(), min(visitor.deadline_ms, given_up_ms)
    ended = isinstance(refusal, HoldEnded) and now_ms >= until_ms
    must(ended, Invariant.HELD, f"{visitor} until {until_ms}, at {now_ms}: {refusal!r}")


def said(answer: object) -> str:
    """What counts of an answer, in a word or two."""
    match answer:
        case Refusal():
            return f"{answer.code} {sorted(answer.details.items())}"
        case Hold():
            return f"{answer.state} v{answer.version} for {to_ms(answer.expires_at) - to_ms(answer.now)} ms"
        case Confirmed():
            return "confirmed"
        case Order():
            return f"order {[str(booking.state) for booking in answer.bookings]}"
    return "done"
