"""The books complain of what is wrong: each test doctors one figure of books that agree."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.chaos.books import Booking, Books, Held, KeptLine, Meeting
from tests.chaos.ledger import Denial, Former, Grant, Leap, Ledger, Loss, Page, Visit
from tests.chaos.money import Attempt, Money, Order
from tests.chaos.town import CAPACITY
from widget_server.domain.holds import HoldState

TALK, YOGA = "talk.20261123T0800Z.30", "yoga.20261123T0800Z.60"


def ledger() -> Ledger:
    """Anna has booked two seats of yoga, ben holds a talk."""
    anna = Visit("anna", ((YOGA, 2),), grant=Grant(0.0, 0.1, 120.0), let_go_s=1.0, confirmation_sent=True)
    anna.booked_s, anna.numbers, anna.secrets = 2.0, {"ABCD-2345"}, {"secret"}
    anna.booked_lines = {frozenset({(YOGA, 2)})}
    ben = Visit("ben", ((TALK, 1),), grant=Grant(3.0, 3.1, 120.0))
    return Ledger({"anna": anna, "ben": ben})


def books() -> Books:
    seats = {YOGA: (0, 2, 5), TALK: (1, 0, 1)}
    return Books(
        read_s=10.0,
        epoch_in_sql=2,
        gate=(2, "OPEN"),
        meetings={YOGA: Meeting(2, 12)},
        bookings=[Booking("anna", YOGA, 2, "confirmed")],
        numbers={"anna": "ABCD-2345"},
        outcomes={"anna": "confirmed"},
        untold=0,
        seats=seats,
        lines={TALK: [KeptLine("ben", 1)]},
        holds={"anna": Held(HoldState.CONFIRMED, ((YOGA, 2),)), "ben": Held(HoldState.HELD, ((TALK, 1),))},
        due=frozenset({"ben"}),
        shown={"web0": seats, "a watcher": seats},
    )


def test_books_that_agree_give_no_reason_to_complain() -> None:
    assert books().complaints(ledger()) == []
    assert books().unfinished() == []
    assert ledger().complaints(CAPACITY) == []


DOCTORED: dict[str, Callable[[Books], Books]] = {
    "a meeting that counts another's seat": lambda b: replace(b, meetings={YOGA: Meeting(3, 12)}),
    "more seats sold than there are": lambda b: replace(b, meetings={YOGA: Meeting(2, 1)}),
    "an order without an outcome": lambda b: replace(b, outcomes={}),
    "an order that was given up": lambda b: replace(b, outcomes={"anna": "abandoned"}),
    "an outcome without its order": lambda b: replace(b, outcomes=dict(b.outcomes) | {"carl": "confirmed"}),
    "an order with another number": lambda b: replace(b, numbers={"anna": "WXYZ-6789"}),
    "an order of somebody who never confirmed": lambda b: replace(
        b, numbers=dict(b.numbers) | {"ben": "B"}, outcomes=dict(b.outcomes) | {"ben": "confirmed"}
    ),
    "a booking with fewer seats": lambda b: replace(
        b, bookings=[Booking("anna", YOGA, 1, "confirmed")], meetings={YOGA: Meeting(1, 12)}
    ),
    "a booking that somebody cancelled": lambda b: replace(b, bookings=[Booking("anna", YOGA, 2, "cancelled")]),
    "no booking at all": lambda b: replace(b, bookings=[], numbers={}, outcomes={}, meetings={}),
    "a Redis that knows of no booking": lambda b: replace(b, seats={**b.seats, YOGA: (0, 0, 5)}),
    "a Redis that counts a hold twice": lambda b: replace(b, seats={**b.seats, TALK: (2, 0, 1)}),
    "a Redis in another epoch": lambda b: replace(b, gate=(1, "OPEN")),
    "a gate that stayed closed": lambda b: replace(b, gate=(2, "REBUILDING")),
    "an event that nobody tells": lambda b: replace(b, untold=1),
    "a line without its hold": lambda b: replace(b, holds={}),
    "a hold without its line": lambda b: replace(b, lines={}, seats={**b.seats, TALK: (0, 0, 1)}),
    "a hold that ended before its time": lambda b: replace(
        b, lines={}, seats={**b.seats, TALK: (0, 0, 2)}, holds={}, due=frozenset(), shown={}
    ),
    "a hold that is never due": lambda b: replace(b, due=frozenset()),
    "a due hold that is none": lambda b: replace(b, due=frozenset({"ben", "carl"})),
    "an orphaned pin": lambda b: replace(b, holds={**b.holds, "ben": Held(HoldState.PAYING, ((TALK, 1),), True)}),
    "a widget with an older picture": lambda b: replace(b, shown={"a watcher": {**b.seats, YOGA: (2, 0, 4)}}),
}


@pytest.mark.parametrize("doctored", DOCTORED)
def test_the_books_complain_of(doctored: str) -> None:
    assert DOCTORED[doctored](books()).complaints(ledger())


def test_a_pin_is_unfinished_business() -> None:
    pinned = Held(HoldState.PAYING, ((TALK, 1),))

    assert len(replace(books(), holds={"ben": pinned}).unfinished()) == 1


def paying(books: Books, state: HoldState = HoldState.PAYING, *, is_overdue: bool = False) -> Books:
    """Ben is at the page to pay for his talk."""
    attempt = Attempt("a-ben", "ben", "open", False, None, 4500, None)
    holds = {**books.holds, "ben": Held(state, ((TALK, 1),), is_overdue)}
    return replace(books, holds=holds, money=Money(attempts=[attempt]))


def at_the_page(told: Ledger) -> Ledger:
    ben = told.visits["ben"]
    ben.page, ben.grant = Page("s-ben", Grant(4.0, 4.1, 900.0)), None
    return told


def test_a_pin_that_waits_for_its_payment_is_as_it_should_be() -> None:
    assert paying(books()).complaints(at_the_page(ledger())) == []
    assert paying(books()).unfinished() == []
    assert paying(books(), is_overdue=True).complaints(ledger())[0].startswith("ben has"), "it is no hold any more"
    assert not any("orphaned" in one for one in paying(books(), is_overdue=True).complaints(ledger()))


def test_seats_that_do_not_wait_for_their_payment_are_found() -> None:
    told = at_the_page(ledger())

    assert paying(books(), HoldState.HELD).complaints(told)[0].startswith("ben is at the pay page")
    told.leave_pages(told.visits.values(), 9.0)
    assert paying(books(), HoldState.HELD).complaints(told) == [], "nobody promised them anything any more"


def test_a_seat_that_waits_for_its_payment_is_promised_to_nobody_else() -> None:
    told = at_the_page(ledger())
    told.visits["carl"] = Visit("carl", ((TALK, 1),), grant=Grant(50.0, 50.1, 120.0))

    assert told.complaints(CAPACITY)[0].startswith("oversold: 2 seats of talk")
    told.leave_pages([told.visits["ben"]], 49.0)
    assert told.complaints(CAPACITY) == []


def test_an_order_whose_money_could_not_be_taken_is_none_unless_somebody_was_told_that_it_is_booked() -> None:
    undone = replace(
        books(),
        bookings=[Booking("anna", YOGA, 2, "cancelled")],
        meetings={YOGA: Meeting(0, 12)},
        seats={YOGA: (0, 0, 5), TALK: (1, 0, 1)},
        shown={},
        outcomes={"anna": "voided"},
        money=Money(orders={"anna": Order("ABCD-2345", "voided", 4500)}),
    )
    told = ledger()
    told.visits["anna"].numbers, told.visits["anna"].booked_lines = set(), set()

    assert undone.complaints(told) == []
    assert undone.complaints(ledger())[0].startswith("anna was told it is booked, and it was undone")


def test_what_was_taken_in_place_of_what_was_wanted_has_its_outcome_elsewhere() -> None:
    told = ledger()
    told.visits["anna"].lines, told.visits["anna"].chosen = ((TALK, 1),), {frozenset({(YOGA, 2)})}
    other = Attempt("a-anna", "anna", "paid", False, None, 4500, "other")
    moved = replace(books(), outcomes={"anna": "voided", "other": "confirmed"}, money=Money(attempts=[other]))

    assert moved.complaints(told) == []
    assert replace(moved, outcomes={"anna": "confirmed"}).complaints(told)
    assert replace(moved, outcomes={"anna": "voided"}).complaints(told)


def test_a_seat_that_was_promised_twice_is_found() -> None:
    told = ledger()
    told.visits["carl"] = Visit("carl", ((TALK, 1),), grant=Grant(50.0, 50.1, 120.0))

    assert told.complaints(CAPACITY)[0].startswith("oversold: 2 seats of talk")


def test_a_seat_is_promised_again_once_its_hold_may_have_ended() -> None:
    told = ledger()
    told.visits["carl"] = Visit("carl", ((TALK, 1),), grant=Grant(50.0, 50.1, 120.0))

    assert told.complaints(CAPACITY)
    told.leaps.append(Leap(49.0, 90.0, 49.5))
    assert told.complaints(CAPACITY) == [], "120 seconds have passed at once"


def test_a_seat_is_promised_again_once_its_hold_has_other_lines() -> None:
    told = ledger()
    ben = told.visits["ben"]
    assert ben.grant is not None
    ben.former = [Former(ben.lines, ben.grant, 20.0)]
    ben.lines, ben.grant = ((YOGA, 1),), Grant(20.0, 20.1, 100.0)

    told.visits["carl"] = Visit("carl", ((TALK, 1),), grant=Grant(21.0, 21.1, 120.0))
    assert told.complaints(CAPACITY) == []
    told.visits["dora"] = Visit("dora", ((TALK, 1),), grant=Grant(10.0, 10.1, 5.0))
    assert told.complaints(CAPACITY), "until it has, it is still taken"


def test_a_seat_is_promised_again_once_redis_forgot_its_hold() -> None:
    told = ledger()
    told.visits["carl"] = Visit("carl", ((TALK, 1),), grant=Grant(50.0, 50.1, 120.0))

    told.losses.append(Loss(40.0, 45.0))
    assert told.complaints(CAPACITY) == []
    told.visits["dora"] = Visit("dora", ((TALK, 1),), grant=Grant(51.0, 51.1, 120.0))
    assert told.complaints(CAPACITY), "what was granted after that counts again"


def test_a_hold_that_is_denied_too_early_is_found() -> None:
    told = ledger()
    told.visits["ben"].denials.append(Denial(20.0, 20.1, "hold_ended"))

    assert told.complaints(CAPACITY)[0].startswith("ended early: ben")
    told.leaps.append(Leap(19.0, 110.0, 19.1))
    assert told.complaints(CAPACITY) == []


def test_two_orders_of_one_hold_are_found() -> None:
    told = ledger()
    told.visits["anna"].numbers.add("WXYZ-6789")

    assert told.complaints(CAPACITY)


def test_whoever_has_booked_what_they_no_longer_wanted_is_found() -> None:
    told = ledger()
    anna = told.visits["anna"]
    assert anna.grant is not None
    anna.lines, anna.former = ((TALK, 1),), [Former(anna.lines, anna.grant, 0.5)]

    told.losses.append(Loss(0.6, 0.7))
    assert books().complaints(told), "also where Redis has forgotten the change"


def test_whoever_was_refused_and_is_booked_all_the_same_is_found() -> None:
    told = ledger()
    told.visits["anna"].numbers.clear()
    told.visits["anna"].refused = "hold_ended"

    told.losses.append(Loss(0.6, 0.7))
    assert books().complaints(told), "also where Redis has forgotten the hold meanwhile"
