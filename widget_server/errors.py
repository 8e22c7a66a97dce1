"""Every refusal and fault of the product, in one tree.

Refusal                  an expected "no": has a public code, becomes an HTTP answer in web/app.py
├── InvalidRequest       400  invalid_request        the body or a parameter is not what it should be
│   └── BadSignature     400  bad_signature          an event that is not signed as Stripe would, or long ago
├── SignInNeeded         401  sign_in_needed         no valid session or secret was given
├── NotYours             403  not_yours              the secret does not belong to this hold or order
├── CrossSite            403  cross_site             a form was sent from somewhere else
├── NotFound             404  not_found              site, service, hold, order or link that does not exist
├── TooSlow              408  too_slow               the body did not arrive in time
├── SlotFull             409  slot_full              fewer seats left than wanted
├── SlotClosed           409  slot_closed            past, not offered, or closed by the operator
│   ├── TooSoon          409  too_soon               it starts sooner than its service wants to know
│   └── TooFar           409  too_far                it is further ahead than its service can be booked
├── HoldsOff             409  holds_off              this site takes seats only at confirmation
├── Paying               409  paying                 the hold's customer is paying or confirming
├── IdConflict           409  id_conflict            the id was used before, for something else
├── Changed              409  changed                somebody changed it meanwhile: read it again
├── PriceChanged         409  price_changed          another difference is to be settled than was agreed to
├── PaymentsNotSetUp     409  payments_not_set_up    the service has a price and the site no payments
├── PaymentRefused       409  payment_refused        Stripe has said no, for good
├── CouponRefused        409  coupon_refused         the code does not count, or not for this
├── TooLate              409  too_late               the deadline for this has passed
├── HoldEnded            410  hold_ended             released, expired, or already a booking
├── TooLarge             413  too_large              the body is larger than its route takes
├── TooManySeats         422  too_many_seats         more seats or slots than one hold may have
├── HoldBudgetSpent      429  hold_budget_spent      this visitor or network has enough live holds
├── TooManyTries         429  too_many_tries         too many sign-ins, links asked for, or checkouts
└── Unavailable          503  unavailable            Redis or SQL is not there; try again shortly
    ├── Loading          503  loading                the engine is being filled from SQL
    └── PaymentsAway     503  payments_away          nobody knows what Stripe did; it is found out later
        └── StripeSilent 503  payments_away          it does not answer at all, or wants to be asked less

Stale                    layers talk among themselves; a use case reads again and repeats, it never reaches a visitor
├── StaleSchedule        the capacity came from an older schedule
└── StaleEpoch           the site has been filled anew since

Fault                    our own or the operator's trouble, told in one sentence at start
"""

from datetime import timedelta
from typing import Any, ClassVar

KEYS_REFUSED = "keys refused"


class Refusal(Exception):
    """An expected "no". `details` are public and stand beside code and message in the answer."""

    code: ClassVar[str]
    status: ClassVar[int]
    retry_after_s: ClassVar[int | None] = None

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    @property
    def on_record(self) -> str:
        """What is kept and logged of it: nothing about a person."""
        return self.message


class InvalidRequest(Refusal):
    code, status = "invalid_request", 400


class BadSignature(InvalidRequest):
    code, status = "bad_signature", 400


class SignInNeeded(Refusal):
    code, status = "sign_in_needed", 401


class NotYours(Refusal):
    code, status = "not_yours", 403


class CrossSite(Refusal):
    code, status = "cross_site", 403


class NotFound(Refusal):
    code, status = "not_found", 404


class TooSlow(Refusal):
    code, status = "too_slow", 408


class SlotFull(Refusal):
    code, status = "slot_full", 409


class SlotClosed(Refusal):
    code, status = "slot_closed", 409


class TooSoon(SlotClosed):
    code, status = "too_soon", 409


class TooFar(SlotClosed):
    code, status = "too_far", 409


class HoldsOff(Refusal):
    code, status = "holds_off", 409


class Paying(Refusal):
    code, status = "paying", 409


class IdConflict(Refusal):
    code, status = "id_conflict", 409


class Changed(Refusal):
    code, status = "changed", 409


class PriceChanged(Refusal):
    """`difference` is what would be settled by now."""

    code, status = "price_changed", 409


class PaymentsNotSetUp(Refusal):
    code, status = "payments_not_set_up", 409

    @property
    def on_record(self) -> str:
        """It waits for other keys, whatever is wrong with these."""
        return KEYS_REFUSED


class PaymentRefused(Refusal):
    code, status = "payment_refused", 409

    @property
    def on_record(self) -> str:
        """Stripe's code for it. Its sentence is for whoever pays, and may repeat their address."""
        return f"Stripe: {self.details.get('reason', 'refused')}"


class CouponRefused(Refusal):
    """`reason` says why, as in domain/coupons.py."""

    code, status = "coupon_refused", 409


class TooLate(Refusal):
    code, status = "too_late", 409


class HoldEnded(Refusal):
    code, status = "hold_ended", 410


class TooLarge(Refusal):
    code, status = "too_large", 413


class TooManySeats(Refusal):
    code, status = "too_many_seats", 422


class HoldBudgetSpent(Refusal):
    code, status = "hold_budget_spent", 429
    retry_after_s = 60


class TooManyTries(Refusal):
    code, status = "too_many_tries", 429
    retry_after_s = 60


class Unavailable(Refusal):
    code, status = "unavailable", 503
    retry_after_s = 2


class Loading(Unavailable):
    code, status = "loading", 503
    retry_after_s = 1


class PaymentsAway(Unavailable):
    code, status = "payments_away", 503


class StripeSilent(PaymentsAway):
    code, status = "payments_away", 503

    def __init__(self, message: str, wait: timedelta = timedelta(0)) -> None:
        super().__init__(message)
        self.wait = wait
        """So long it wants to be asked nothing; 0 where it has not said so."""


class Stale(Exception):
    """What the caller worked from has been overtaken: read again and repeat."""


class StaleSchedule(Stale):
    def __init__(self, message: str, version: int | None = None) -> None:
        super().__init__(message)
        self.version = version
        """The gate's, where it was the gate that said so."""


class StaleEpoch(Stale):
    pass


class Fault(Exception):
    """Something the person who starts the server must mend; the message is one sentence saying what."""
