"""What customers do: confirm, come back to their order, cancel or move it; and what they may rely on for ever."""

from widget_server.domain.bookings import BookingState, Customer
from widget_server.domain.holds import Line
from widget_server.domain.orders import Order
from widget_server.errors import Refusal, SlotClosed, SlotFull, TooLate
from widget_server.ids import hash_secret
from widget_server.simulator.invariants import Invariant, must
from widget_server.simulator.ledger import Visitor
from widget_server.simulator.operations import ask, operation
from widget_server.simulator.people import binds, must_have_ended, new_visitor, said, settle
from widget_server.simulator.world import World
from widget_server.use_cases.bookings import Confirmed, WantedConfirmation
from widget_server.use_cases.pinning import CONFIRMING_WINDOW, NO_FOR_GOOD, OrderRef
from widget_server.use_cases.rescheduling import WantedReschedule

ANNA = Customer(name="Anna Berg", email="", zone="Europe/Berlin", locale="de")
CONFIRMING_WINDOW_MS = int(CONFIRMING_WINDOW.total_seconds() * 1000)
"""A confirmation that takes longer meets a worker that has given its pin up: decision 10."""


@operation(weight=9)
async def confirm(world: World) -> str:
    now_ms = world.redis.now_ms()
    is_late = world.chance.random() < 0.3
    visitor = world.ledger.latecomer(now_ms) if is_late else world.ledger.one(now_ms, "held")
    if visitor is None:
        return "nobody holds"
    return await (_confirm_unpaid if visitor.is_priced else confirm_of)(world, visitor)


@operation(weight=4)
async def book_at_once(world: World) -> str:
    """Where holds are off, or nobody asked for one: hold and booking in one call."""
    visitor = new_visitor(world)
    if visitor is None:
        return "nothing is offered"
    visitor.state = "over"
    if visitor.is_priced:
        return await _confirm_unpaid(world, visitor)
    world.ledger.confirming.append(visitor)
    return await confirm_of(world, visitor)


@operation(weight=3)
async def confirm_once_more(world: World) -> str:
    """The same call, as after a lost answer, or while the first one is still under way."""
    visitor = world.ledger.unsure()
    return await confirm_of(world, visitor) if visitor else "nobody waits for an answer"


@operation(weight=3)
async def confirm_again(world: World) -> str:
    visitor = world.ledger.customer()
    if visitor is None:
        return "nobody has booked"
    return await (_confirm_unpaid if visitor.is_priced else confirm_of)(world, visitor)


@operation(weight=1)
async def confirm_something_else(world: World) -> str:
    visitor = world.ledger.customer()
    if visitor is None:
        return "nobody has booked"
    process = world.web()
    answer = await ask(process, process.bookings.confirm(visitor.ref, wanted(visitor, digest="another body")))
    must(isinstance(answer, Refusal), Invariant.SAME, f"{visitor} became another booking: {answer!r}")
    return f"{process.name}: {visitor} {said(answer)}"


async def confirm_of(world: World, visitor: Visitor) -> str:
    process, is_first = world.web(), visitor.confirming is None
    lines = visitor.confirming = visitor.confirming or visitor.lines
    if is_first:
        world.ledger.confirming.append(visitor)
    given_up_ms = world.redis.now_ms() + CONFIRMING_WINDOW_MS
    with visitor.asking(world.redis.losses) as asking:
        answer = await ask(process, process.bookings.confirm(visitor.ref, wanted(visitor, lines)))
        if isinstance(answer, Confirmed):
            if is_first and visitor.state == "held" and binds(world, visitor, asking):
                state = world.redis.state_of(visitor.site, visitor.id)
                must(state in ("paying", "confirmed"), Invariant.PIN, f"{visitor} is booked, and in Redis {state}")
            _confirmed(world, visitor, answer)
        else:
            must(visitor.order is None, Invariant.SAME, f"{visitor} was confirmed before, and now {answer!r}")
            visitor.refused = visitor.refused or isinstance(answer, NO_FOR_GOOD)
            is_binding = is_first and visitor.state == "held" and not visitor.has_paid and binds(world, visitor, asking)
            if is_binding and not isinstance(answer, SlotFull | SlotClosed):
                must_have_ended(world, visitor, answer, given_up_ms=given_up_ms)
            visitor.state = "over"
        return f"{process.name}: {visitor} {said(answer)}"


async def _confirm_unpaid(world: World, visitor: Visitor) -> str:
    """What has a price is not to be had for nothing, and whoever tries keeps what they have."""
    process = world.web()
    with visitor.asking(world.redis.losses) as asking:
        answer = await ask(process, process.bookings.confirm(visitor.ref, wanted(visitor, visitor.lines)))
        must(isinstance(answer, Refusal), Invariant.MONEY, f"{visitor} has paid nothing, and got {answer!r}")
        if binds(world, visitor, asking):
            settle(world, visitor, asking)
        return f"{process.name}: {visitor} unpaid {said(answer)}"


def _confirmed(world: World, visitor: Visitor, answer: Confirmed) -> None:
    must(not visitor.refused, Invariant.SAME, f"{visitor} was told no, and now {answer.order}")
    got = lines_of(answer.order)
    if visitor.order is not None:
        must(visitor.order == (answer.order.number, answer.secret), Invariant.SAME, f"{visitor} got another order")
        must(got in (visitor.lines, *visitor.wanted), Invariant.SAME, f"{visitor} got {got}")
    else:
        must(got == visitor.confirming, Invariant.SAME, f"{visitor} confirmed {visitor.confirming}, and got {got}")
        visitor.lines = got
        visitor.wanted.clear()
    world.ledger.confirmed(visitor, answer.order, answer.secret)
    is_kept(world, visitor)


@operation(weight=4)
async def cancel(world: World) -> str:
    visitor = world.ledger.customer()
    return await cancel_of(world, visitor) if visitor else "nobody has booked"


async def cancel_of(world: World, visitor: Visitor) -> str:
    process = world.web()
    visitor.cancelling = True
    answer = await ask(process, process.bookings.cancel(visitor.order_ref))
    if isinstance(answer, Order):
        must(_all_cancelled(answer), Invariant.KEPT, f"{visitor} is cancelled, and not: {answer}")
        visitor.cancelled = True
        is_kept(world, visitor)
    else:
        must(isinstance(answer, TooLate), Invariant.KEPT, f"{visitor} has no order: {answer!r}")
    return f"{process.name}: {visitor} {said(answer)}"


@operation(weight=3)
async def find_order(world: World) -> str:
    visitor = world.ledger.customer()
    if visitor is None:
        return "nobody has booked"
    process, stranger = world.web(), world.chance.random() < 0.3
    ref = OrderRef(visitor.site, visitor.id, hash_secret("a guess")) if stranger else visitor.order_ref
    answer = await ask(process, process.bookings.find_order(ref))
    must(isinstance(answer, Order) is not stranger, Invariant.KEPT, f"{visitor}: {answer!r}, stranger: {stranger}")
    return f"{process.name}: {visitor} {said(answer)}"


@operation(weight=4)
async def reschedule(world: World) -> str:
    visitor = world.ledger.customer()
    if visitor is None:
        return "nobody has booked"
    slots = world.wanted_slots(visitor.site, len(visitor.lines), visitor.lines[0].slot.service)
    if len(slots) < len(visitor.lines):
        return "there is nothing to move to"
    lines = tuple(Line(slot, line.seats) for slot, line in zip(slots, visitor.lines, strict=True))
    visitor.move = WantedReschedule(world.new_id(), lines, visitor.visit, "all that was sent")
    visitor.wanted.add(lines)
    return await _reschedule(world, visitor, visitor.move)


@operation(weight=2)
async def reschedule_again(world: World) -> str:
    """The same call, as after a lost answer."""
    visitor = world.ledger.customer()
    if visitor is None or visitor.move is None:
        return "nobody has moved"
    return await _reschedule(world, visitor, visitor.move)


async def _reschedule(world: World, visitor: Visitor, move: WantedReschedule) -> str:
    process = world.web()
    with visitor.asking(world.redis.losses) as asking:
        answer = await ask(process, process.rescheduling.reschedule(visitor.order_ref, move))
        if isinstance(answer, Order):
            what = f"{visitor} moved to {move.lines}, and is in {answer.bookings}"
            must(lines_of(answer) in (visitor.lines, *visitor.wanted), Invariant.KEPT, what)
            if asking.alone:
                must(lines_of(answer) == move.lines, Invariant.SAME, what)
                visitor.lines = move.lines
            is_kept(world, visitor)
        return f"{process.name}: {visitor} {said(answer)}"


def is_kept(world: World, visitor: Visitor) -> None:
    """SQL has all that a customer was told, and nothing was undone but by a cancellation, or moved but by a wish."""
    kept = world.books.lines_of(visitor.site, visitor.id)
    booked = sorted((slot, seats) for slot, seats, _ in kept)
    possible = [sorted((line.slot.id, line.seats) for line in lines) for lines in (visitor.lines, *visitor.wanted)]
    must(booked in possible, Invariant.KEPT, f"{visitor} has {kept}")
    states = {state for _, _, state in kept}
    allowed = (
        {"cancelled"} if visitor.cancelled else {"confirmed", "cancelled"} if visitor.cancelling else {"confirmed"}
    )
    must(len(states) == 1 and states <= allowed, Invariant.KEPT, f"{visitor} has {kept}")


def lines_of(order: Order) -> tuple[Line, ...]:
    return tuple(Line(booking.slot, booking.seats) for booking in order.bookings)


def wanted(visitor: Visitor, lines: tuple[Line, ...] = (), *, digest: str = "") -> WantedConfirmation:
    """Other lines are another body, as of somebody whose change of lines is still under way."""
    return WantedConfirmation(ANNA, ((),) * len(visitor.lines), lines, visitor.visit, digest or str(lines))


def _all_cancelled(order: Order) -> bool:
    return all(booking.state is BookingState.CANCELLED for booking in order.bookings)
