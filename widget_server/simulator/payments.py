"""What payments will do, until there are any: pins that last minutes, and webhooks that come late, twice or never."""

from dataclasses import dataclass, replace
from datetime import timedelta

from widget_server.clock import to_ms
from widget_server.domain.orders import OutcomeState
from widget_server.engine.reservations import Pin
from widget_server.errors import Refusal, StaleEpoch, StaleSchedule, Unavailable
from widget_server.simulator.customers import wanted
from widget_server.simulator.invariants import Invariant, must
from widget_server.simulator.ledger import Visitor
from widget_server.simulator.operations import ask, operation
from widget_server.simulator.processes import Process
from widget_server.simulator.world import World
from widget_server.store.bookings import OutcomeTaken

WINDOW = timedelta(minutes=5)
MIN_LEFT = timedelta(minutes=2)
WEBHOOKS_MAX = 10


@dataclass(frozen=True, slots=True)
class Webhook:
    visitor: Visitor
    pin: Pin
    epoch: int
    """In which it was pinned: in a later one nobody knows of this pin."""
    paid: bool


@operation(weight=7)
async def begin_to_pay(world: World) -> str:
    tries_again = world.ledger.declined() if world.chance.random() < 0.5 else None
    visitor = tries_again or world.ledger.one(world.redis.now_ms(), "held", "paying")
    if visitor is None:
        return "nobody holds"
    process = world.web()
    visitor.has_paid = True
    with visitor.asking(world.redis.losses):
        answer = await ask(process, _pin(process, visitor, attempt=f"attempt {world.chance.randrange(3)}"))
        if isinstance(answer, Refusal):
            return f"{process.name}: {visitor} {type(answer).__name__}"
        pin, epoch = answer
        visitor.state = "paying"
        visitor.pins.append(pin)
        _expect_webhooks(world, visitor, pin, epoch)
        return f"{process.name}: {visitor} pinned {pin.fence} for {to_ms(pin.resolve_by) - to_ms(pin.now)} ms"


def _expect_webhooks(world: World, visitor: Visitor, pin: Pin, epoch: int) -> None:
    """One or two, or none; of the same payment they may even say different things in turn."""
    for _ in range(world.chance.choice((0, 1, 1, 2))):
        world.webhooks.append(Webhook(visitor, pin, epoch, paid=world.chance.random() < 0.5))
    del world.webhooks[:-WEBHOOKS_MAX]


@operation(weight=6)
async def webhook(world: World) -> str:
    """Any of those that are on their way, mostly a late one; often it stays there, to come once more."""
    if not world.webhooks:
        return "none is on its way"
    at = -1 - int(len(world.webhooks) * world.chance.random() ** 3)
    news = world.webhooks[at]
    if world.chance.random() < 0.5:
        del world.webhooks[at]
    process = world.web()
    with news.visitor.asking(world.redis.losses):
        act = _capture(process, news) if news.paid else _give_up(process, news)
        answer = await ask(process, act)
        return f"{process.name}: {news.visitor} {'paid' if news.paid else 'declined'} {news.pin.fence}: {answer}"


async def _pin(process: Process, visitor: Visitor, *, attempt: str) -> tuple[Pin, int]:
    listing = await process.catalog.find(visitor.site)
    try:
        pin = await process.engine.pin(
            listing.site,
            visitor.id,
            visitor.ref.secret_hash,
            listing.schedule.find,
            schedule_version=listing.schedule.version,
            attempt=attempt,
            window=WINDOW,
        )
    except StaleSchedule:
        process.catalog.forget(visitor.site)
        raise Unavailable("The schedule is being changed.") from None
    return pin, listing.site.epoch


async def _capture(process: Process, news: Webhook) -> str:
    """Whoever writes the outcome first has decided; all others carry that on."""
    listing = await process.catalog.find(news.visitor.site)
    bookings, ref = process.bookings, news.visitor.ref
    paid = bookings._confirmation(listing, ref, wanted(news.visitor), news.pin, "paid", bookings.now())
    try:
        await process.store.confirm(replace(paid, epoch=news.epoch))
    except OutcomeTaken as taken:
        if taken.order is None:
            return "refunded"
    except (StaleEpoch, StaleSchedule):
        process.catalog.forget(news.visitor.site)
        return "tries again later"
    except Refusal as refusal:
        return await _undo(process, news, release=True) + f" after {refusal.code}"
    else:
        must(news.pin.fence > news.visitor.given_up, Invariant.OUTCOME, f"{news.visitor} was given up before")
    await process.reconciliation.tell_booked(listing.site, ref.hold_id, news.pin.fence)
    return "booked"


async def _give_up(process: Process, news: Webhook) -> str:
    return await _undo(process, news, release=False)


async def _undo(process: Process, news: Webhook, *, release: bool) -> str:
    site, hold_id, fence = (await process.catalog.find(news.visitor.site)).site, news.visitor.id, news.pin.fence
    if await process.store.give_up(site.id, hold_id, fence) is OutcomeState.ABANDONED:
        news.visitor.given_up = max(fence, news.visitor.given_up)
        await process.engine.unpin(site, hold_id, fence=fence, release=release, min_left=MIN_LEFT)
        news.visitor.state = "held"
        return "given back"
    await process.reconciliation.tell_booked(site, hold_id, fence)
    return "was booked"
