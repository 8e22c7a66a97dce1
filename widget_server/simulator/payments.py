"""What payers, banks, Stripe and the worker do: pages are opened, paid, left and come back to, and money goes back."""

from dataclasses import replace
from datetime import timedelta

from widget_server.domain.attempts import LET_GO_AFTER
from widget_server.domain.audit_log import Deed, Entry
from widget_server.domain.holds import Hold, Line
from widget_server.domain.orders import Order, OrderState
from widget_server.domain.payments import Refund
from widget_server.errors import BadSignature, Paying, PaymentRefused, SlotClosed, SlotFull
from widget_server.payments.fake_stripe.books import NotPayable
from widget_server.payments.fake_stripe.objects import Session
from widget_server.simulator.customers import ANNA, CONFIRMING_WINDOW_MS, is_kept, lines_of
from widget_server.simulator.invariants import Invariant, must
from widget_server.simulator.operations import ask, operation
from widget_server.simulator.people import binds, must_have_ended, new_visitor, said
from widget_server.simulator.prices import REFUND_PERCENT
from widget_server.simulator.purchases import Page, Purchase
from widget_server.simulator.stripe import KEYS, sign
from widget_server.simulator.world import OPERATOR, World
from widget_server.use_cases.checkout import CheckoutBegun, WantedCheckout
from widget_server.use_cases.pinning import NO_FOR_GOOD

PAYER = replace(ANNA, email="anna@example.org")
_PAID = (OrderState.PAID, OrderState.REFUNDED)


@operation(weight=7)
async def check_out(world: World) -> str:
    now_ms = world.redis.now_ms()
    visitor = world.ledger.latecomer(now_ms) if world.chance.random() < 0.2 else world.ledger.priced(now_ms)
    if visitor is None or not visitor.is_priced:
        return "nobody holds what has a price"
    purchase = world.purchases.of(visitor)
    if purchase is None:
        purchase = world.purchases.begin(visitor)
    elif purchase.lines != visitor.lines:
        purchase.want(visitor.lines)
    return await check_out_of(world, purchase)


@operation(weight=1.5)
async def check_out_at_once(world: World) -> str:
    """Without a hold."""
    visitor = new_visitor(world)
    if visitor is None or not visitor.is_priced:
        return "nothing with a price is wanted"
    visitor.state = "over"
    return await check_out_of(world, world.purchases.begin(visitor))


@operation(weight=2)
async def check_out_again(world: World) -> str:
    """The same call, as after a lost answer; now and then with another body."""
    purchase = world.purchases.unpaid()
    if purchase is None:
        return "nobody pays"
    purchase.notes += world.chance.random() < 0.15
    return await check_out_of(world, purchase)


async def check_out_of(world: World, purchase: Purchase) -> str:
    visitor, process = purchase.visitor, world.web()
    is_first = not visitor.has_paid
    visitor.has_paid = True
    given_up_ms = world.redis.now_ms() + CONFIRMING_WINDOW_MS
    wanted = WantedCheckout(PAYER, (), purchase.lines, visitor.visit, f"all that was sent {purchase.notes}")
    losses = world.redis.losses
    with visitor.asking(losses) as asking:
        answer = await ask(process, process.checkout.begin(visitor.ref, wanted))
        if isinstance(answer, CheckoutBegun):
            visitor.state = "paying"
            purchase.secret = answer.secret
            if answer.pay_url:
                session = answer.pay_url.rpartition("/")[2]
                must(session in world.stripe.account.sessions, Invariant.MONEY, f"{purchase}: no page {session}")
                if purchase.page is None or purchase.page.session != session:
                    # Where Redis has forgotten something, and nobody has noticed yet, the seats may be somebody else's.
                    sure = None if world.witness.doubts(visitor.site) else losses
                    purchase.page, purchase.is_open = Page(session, answer.pay_until, sure), True
            _told(world, purchase, answer.order)
            return f"{process.name}: {purchase} {answer.order.state}"
        must(not purchase.is_paid or isinstance(answer, Paying), Invariant.KEPT, f"{purchase} is paid: {answer!r}")
        is_binding = is_first and visitor.state == "held" and binds(world, visitor, asking)
        if is_binding and not isinstance(answer, SlotFull | SlotClosed | PaymentRefused):
            must_have_ended(world, visitor, answer, given_up_ms=given_up_ms)
        if isinstance(answer, NO_FOR_GOOD):
            visitor.state = "over"
        return f"{process.name}: {purchase} {said(answer)}"


@operation(weight=7)
async def pay(world: World) -> str:
    """At the page, whose tab may have been open for long."""
    purchase = world.purchases.with_page()
    return pay_of(world, purchase) if purchase else "nobody has a page"


@operation(weight=1)
async def pay_in_the_last_second(world: World) -> str:
    purchase = world.purchases.with_page()
    if purchase is None or purchase.page is None:
        return "nobody has a page"
    left_ms = (purchase.page.pay_until - world.clock.now()) // timedelta(milliseconds=1)
    world.pass_time(max(0, left_ms + world.chance.choice((-900, -5, 0, 5))))
    return pay_of(world, purchase)


def pay_of(world: World, purchase: Purchase, *, how: str = "") -> str:
    page, books = purchase.page, world.stripe.books
    assert page is not None
    is_in_time = world.clock.now() < page.pay_until and world.till.state_of_session(page.session) == "open"
    how = how or world.chance.choice(("card", "card", "card", "ideal", "decline", "ask_bank", "refused by the bank"))
    try:
        match how:
            case "decline":
                books.decline(page.session)
            case "ask_bank":
                books.ask_bank(page.session)
            case "refused by the bank":
                books.answer_bank(page.session, is_sure=False)
            case method:
                books.pay(page.session, method)
                purchase.paid_in_time = page if is_in_time and not purchase.went_back else None
                purchase.is_open = world.chance.random() < 0.1
    except NotPayable as over:
        purchase.is_open = False
        return f"{purchase} {how}: the page is {over}"
    finally:
        world.stripe.collect_letters()
    return f"{purchase} {how}, {'in time' if is_in_time else 'late'}"


@operation(weight=3)
async def come_back(world: World) -> str:
    """To the order's page, from Stripe or from a mail."""
    purchase = world.purchases.unpaid()
    if purchase is None or not purchase.secret:
        return "nobody has paid"
    return await come_back_of(world, purchase)


async def come_back_of(world: World, purchase: Purchase) -> str:
    process = world.web()
    answer = await ask(process, process.checkout.ask(purchase.order_ref))
    must(isinstance(answer, Order), Invariant.KEPT, f"{purchase} has no order: {answer!r}")
    assert isinstance(answer, Order)
    _told(world, purchase, answer)
    return f"{process.name}: {purchase} {answer.state}"


@operation(weight=2)
async def go_back(world: World) -> str:
    """From the page, without having paid, perhaps; and perhaps to pay in another tab all the same."""
    purchase = world.purchases.unpaid()
    return await go_back_of(world, purchase) if purchase else "nobody pays"


async def go_back_of(world: World, purchase: Purchase) -> str:
    visitor, process = purchase.visitor, world.web()
    purchase.went_back, purchase.paid_in_time = True, None
    with visitor.asking(world.redis.losses) as asking:
        answer = await ask(process, process.checkout.go_back(visitor.ref))
        if isinstance(answer, Hold):
            visitor.holds(answer, asking.losses)
        return f"{process.name}: {purchase} {said(answer)}"


@operation(weight=1.5)
async def choose(world: World) -> str:
    """One of the times that are held for whoever has paid too late, or none of them."""
    purchase = world.purchases.offered()
    return await choose_of(world, purchase) if purchase else "nobody has a choice"


async def choose_of(world: World, purchase: Purchase) -> str:
    process, chosen = world.web(), world.chance.choice((None, *purchase.offered))
    answer = await ask(process, process.checkout.choose(purchase.order_ref, chosen))
    if isinstance(answer, Order):
        _told(world, purchase, answer)
    return f"{process.name}: {purchase} {'another time' if chosen else 'none'}: {said(answer)}"


def _told(world: World, purchase: Purchase, order: Order) -> None:
    """How the order stands, to whoever has its secret."""
    visitor = purchase.visitor
    if visitor.confirming is not None:  # they have come to want something else, for nothing
        return
    if order.state in _PAID:
        got = lines_of(order)
        if not purchase.is_paid:
            possible = (purchase.lines, *purchase.former, *purchase.offered.values())
            must(got in possible, Invariant.SAME, f"{purchase} got {got}")
            visitor.lines = purchase.lines = got
            visitor.wanted.clear()
            purchase.is_paid = True
        world.ledger.confirmed(visitor, order, purchase.secret)
        is_kept(world, visitor)
        return
    must(not purchase.is_paid, Invariant.KEPT, f"{purchase} was paid, and now is {order.state}")
    for each in order.payment.alternatives if order.payment else ():
        seats = zip(each.slots, order.bookings, strict=True)
        purchase.offered[each.hold_id] = tuple(Line(slot, booking.seats) for slot, booking in seats)
    if order.state is OrderState.EXPIRED and visitor.state == "paying":
        visitor.state, visitor.is_sure = "held", False  # as soon as somebody has ended its pin, too


@operation(weight=5)
async def stripe_tells(world: World) -> str:
    """One of the letters that are on their way, mostly a late one; often it stays there, to come once more."""
    letters = world.stripe.letters
    if not letters:
        return "nothing"
    at = -1 - int(len(letters) * world.chance.random() ** 2)
    letter, is_forged, process = letters[at], world.chance.random() < 0.03, world.web()
    if world.chance.random() < 0.7:
        del letters[at]
    signature = sign(letter.body, "somebody else's" if is_forged else KEYS.webhook_secret)
    try:
        answer = await ask(process, process.settling.heard(letter.site, letter.body, signature))
    except BaseException:
        letters.append(letter)  # Stripe tries again
        raise
    must(isinstance(answer, BadSignature) is is_forged, Invariant.OWNER, f"{letter.kind}: {answer!r}")
    return f"{process.name}: {letter.kind}: {said(answer)}"


@operation(weight=4)
async def settle(world: World) -> str:
    process = world.worker()
    return f"{await ask(process, process.settling.settle_due())} seen to"


@operation(weight=2)
async def probe(world: World) -> str:
    """Whether Stripe answers again, where it did not."""
    process = world.worker()
    return f"{await ask(process, process.settling.probe_due())} asked"


@operation(weight=1.5)
async def refund(world: World) -> str:
    process = world.worker()
    return f"{await ask(process, process.refunding.refund_due())} seen to"


@operation(weight=1)
async def operator_gives_back(world: World) -> str:
    """A part, once, whatever is cancelled; the same form again is the same refund."""
    purchase = world.purchases.paid()
    if purchase is None:
        return "nobody has paid"
    process, visitor = world.web(), purchase.visitor
    purchase.asked_back = purchase.asked_back or world.chance.choice((500, 2_000, purchase.total.amount_minor))
    site, amount = world.sites[visitor.site], replace(purchase.total, amount_minor=purchase.asked_back)
    entry = Entry(site.id, OPERATOR, Deed.REFUNDED, world.clock.now(), visitor.id, form_key=f"form {visitor.id}")
    answer = await ask(process, process.refunding.refund(site.id, visitor.id, amount, entry=entry))
    purchase.is_given_back = purchase.is_given_back or isinstance(answer, Refund)
    return f"{process.name}: {purchase} {amount.amount_minor}: {said(answer)}"


@operation(weight=0.5)
async def bank_takes_it_back(world: World) -> str:
    """An authorisation ends before it was captured."""
    purchase = world.purchases.unpaid()
    session = _session(world, purchase) if purchase else None
    if purchase is None or session is None or session.intent is None or session.intent.status != "requires_capture":
        return "nothing is authorised"
    world.stripe.books.lapse(session.id)
    world.stripe.collect_letters()
    purchase.paid_in_time = None
    return f"{purchase}"


def check_purchases(world: World) -> None:
    """At rest: what each payer may rely on."""
    for purchase in world.purchases:
        _check_promise(world, purchase)
        if purchase.is_paid:
            _check_given_back(world, purchase)


def _check_promise(world: World, purchase: Purchase) -> None:
    """Unless Redis has forgotten something, the offer was changed, or nobody looked for an hour."""
    page, purchase.paid_in_time = purchase.paid_in_time, None
    if page is None or world.clock.now() >= page.pay_until + LET_GO_AFTER:
        return
    visitor = purchase.visitor
    if (page.losses, visitor.schedule) == (world.redis.losses, world.plans[visitor.site].version):
        state = world.till.state_of_session(page.session)
        must(state == "paid", Invariant.IN_TIME, f"{purchase} has paid in time, and that is {state}")


def _check_given_back(world: World, purchase: Purchase) -> None:
    visitor = purchase.visitor
    back, total = world.till.went_back(visitor.site, visitor.id), purchase.total.amount_minor
    what = f"{purchase} gets back {back}"
    by_operator, by_policy = back.pop("operator", 0), back.pop("cancelled", 0)
    must(not back, Invariant.BACK, what)
    asked = {purchase.asked_back} if purchase.is_given_back else {0, purchase.asked_back}
    must(by_operator in asked, Invariant.BACK, what)
    by_policy_max = total * REFUND_PERCENT // 100
    possible = {by_policy_max, min(by_policy_max, total - by_operator)} if visitor.cancelling else {0}
    must(by_policy in possible | ({0} if not visitor.cancelled else set()), Invariant.BACK, what)


def _session(world: World, purchase: Purchase) -> Session | None:
    return world.stripe.account.sessions.get(purchase.page.session) if purchase.page else None
