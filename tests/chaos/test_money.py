"""The books complain of money that is not where it belongs: each test doctors one figure of books that agree."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.chaos.ledger import Visit
from tests.chaos.money import Attempt, Money, Order, Payment, Refund

PRICE = 4500
BOOKED = {"anna"}


def visits() -> dict[str, Visit]:
    """Anna has paid, ben has cancelled what he had paid, carl went back, and dora's bank gave her money back to her."""
    anna, ben = Visit("anna", (), is_paid=True), Visit("ben", (), is_paid=True)
    return {visit.id: visit for visit in (anna, ben, Visit("carl", (), expired=True), Visit("dora", ()))}


def money() -> Money:
    return Money(
        attempts=[
            Attempt("a-anna", "anna", "paid", True, "s-anna", PRICE, None),
            Attempt("a-ben", "ben", "paid", True, "s-ben", PRICE, None),
            Attempt("a-carl", "carl", "ended", True, "s-carl", PRICE, None),
            Attempt("a-dora", "dora", "ended", True, "s-dora", PRICE, None),
        ],
        orders={
            "anna": Order("A", "paid", PRICE),
            "ben": Order("B", "refunded", PRICE),
            "dora": Order("D", "voided", PRICE),
        },
        refunds=[Refund("r-ben", "a-ben", PRICE, "done")],
        payments={
            "s-anna": Payment("a-anna", False, "succeeded", PRICE),
            "s-ben": Payment("a-ben", False, "succeeded", PRICE, {"r-ben": PRICE}),
            "s-carl": Payment("a-carl", False, None),
            "s-dora": Payment("a-dora", False, "canceled"),
        },
    )


def complaints(of: Money, told: dict[str, Visit] | None = None, booked: set[str] = BOOKED) -> list[str]:
    return list(of.complaints(booked, told or visits()))


def test_books_that_agree_give_no_reason_to_complain() -> None:
    assert complaints(money()) == []
    assert money().unfinished() == []


def attempt(of: Money, id: str, **changes: object) -> Money:
    return replace(of, attempts=[replace(one, **changes) if one.id == id else one for one in of.attempts])  # type: ignore[arg-type]


def payment(of: Money, id: str, **changes: object) -> Money:
    return replace(of, payments={**of.payments, id: replace(of.payments[id], **changes)})  # type: ignore[arg-type]


def order(of: Money, hold: str, **changes: object) -> Money:
    return replace(of, orders={**of.orders, hold: replace(of.orders[hold], **changes)})  # type: ignore[arg-type]


DOCTORED: dict[str, Callable[[Money], Money]] = {
    "SQL says paid": lambda m: payment(m, "s-anna", intent="requires_capture", captured=0),
    "money is set aside": lambda m: payment(m, "s-dora", intent="requires_capture"),
    "charged for nothing": lambda m: payment(m, "s-carl", intent="succeeded", captured=PRICE),
    "paid without its order": lambda m: replace(
        m, orders={**m.orders, "anna": replace(m.orders["anna"], state="open")}
    ),
    "a page can still be paid": lambda m: payment(m, "s-carl", is_open=True),
    "Stripe knows nothing": lambda m: attempt(m, "a-carl", session="s-nobody"),
    "paid at a page of nobody's": lambda m: replace(
        m, payments={**m.payments, "s-other": Payment("a-anna", False, "succeeded", PRICE)}
    ),
    f"{PRICE - 1} is kept": lambda m: payment(m, "s-anna", refunds={"r-stripe": 1}),
    "0 is kept": lambda m: payment(m, "s-anna", refunds={"r-stripe": PRICE}),
    f"{PRICE} is kept for 0": lambda m: replace(payment(m, "s-ben", refunds={}), refunds=[]),
    "refunds of": lambda m: payment(m, "s-ben", refunds={"r-ben": PRICE - 1, "r-twice": 1}),
    "nothing of it is booked any more": lambda m: order(m, "ben", state="paid"),
    "anna was told it is paid": lambda m: payment(m, "s-anna", captured=0),
    "carl was told nothing was taken": lambda m: payment(m, "s-carl", captured=PRICE),
}


@pytest.mark.parametrize("complaint", DOCTORED)
def test_the_books_complain_that(complaint: str) -> None:
    assert any(one.startswith(complaint) for one in complaints(DOCTORED[complaint](money())))


def test_money_that_is_kept_for_nothing_that_is_booked_is_found() -> None:
    assert complaints(money(), booked=set())[0].startswith(f"{PRICE} is kept for 0")


def test_a_booking_that_nobody_has_paid_is_found() -> None:
    assert complaints(money(), booked={"anna", "dora"})[0].startswith(f"0 is kept for {PRICE}")


UNFINISHED: dict[str, Callable[[Money], Money]] = {
    "an attempt is open": lambda m: attempt(m, "a-carl", state="open", rests=False),
    "an attempt is ended": lambda m: attempt(m, "a-carl", rests=False),
    "a refund is waiting": lambda m: replace(m, refunds=[replace(m.refunds[0], state="waiting")]),
    "a refund is failed": lambda m: replace(m, refunds=[replace(m.refunds[0], state="failed")]),
    "other seats are offered": lambda m: replace(m, offers=["other"]),
}


@pytest.mark.parametrize("what", UNFINISHED)
def test_it_is_unfinished_business_that(what: str) -> None:
    assert [one.partition(":")[0] for one in UNFINISHED[what](money()).unfinished()] == [what]


def test_of_what_is_on_its_way_nobody_complains_yet() -> None:
    opened = attempt(money(), "a-carl", state="open", rests=False)

    assert complaints(payment(opened, "s-carl", intent="requires_capture"), {"anna": visits()["anna"]}) == []


def test_seats_taken_in_the_place_of_others_stand_for_their_order() -> None:
    moved = attempt(money(), "a-anna", seats="other")

    assert moved.holder("anna") == "other"
    assert moved.holder("ben") == "ben"
