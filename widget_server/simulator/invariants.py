"""The only place that names what must never break, with the exception that says that it did."""

from enum import StrEnum


class Invariant(StrEnum):
    ROOM = "a seat is given once: booked and held stay within the capacity"
    COUNT = "held is the sum of the lines"
    FREES = "a slot tells when its first line ends"
    CLOCK = "scripts and reads go by one clock"
    DEADLINE = "nothing ends before its deadline"
    ONCE = "a hold ends once"
    PIN = "a pinned hold ends by its outcome only"
    OUTCOME = "what was given up is not confirmed afterwards"
    EPOCH = "what is told bears the epoch that the site is in"
    TOLD = "every change is told by the feed"
    RISING = "versions never go backwards"
    LIMIT = "no hold outlives its limit"
    BUDGET = "nobody is given more live holds than allowed"
    CLAIM = "nobody serves two slots at once"
    DIARY = "diaries say whom holds and bookings have claimed, and nobody else"
    SCHEDULE = "nothing is given on a schedule that has ended"
    MEETING = "a meeting has as many seats booked as are confirmed, within its capacity"
    ORDER = "a confirmed hold is one order, and an order is one confirmed hold"
    KEPT = "what was confirmed stays confirmed"
    HELD = "what was held stays held until its deadline"
    NOTHING_AFTER = "nothing works after its end"
    SAME = "same id and body, same answer; another body is refused"
    OWNER = "a hold obeys only whoever took it"
    RECORD = "Stripe does nothing with money that is not written down before"
    MONEY = "what is taken has its order, and what has no order is given back"
    BACK = "what goes back is what was decided, and goes once"
    IN_TIME = "who pays in time has their seats"
    ATTEMPT = "at rest, each attempt to pay has ended, or its customer can still pay"
    REST_BOOKED = "at rest, Redis counts as booked what SQL does"
    REST_PINS = "at rest, no pin is left over"
    REST_INDEX = "at rest, the due set and the budgets name live holds and no others"
    REST_OUTBOX = "at rest, everybody has been told"
    REST_LINES = "every line has its hold and every hold its lines"
    READ = "at rest, all processes read the same"
    WATCHED = "at rest, an open widget shows what a fresh read shows"
    FORESEEN = "nothing fails in a way that nobody foresaw"


class Broken(Exception):
    def __init__(self, invariant: Invariant, what: str) -> None:
        super().__init__(f"{invariant}: {what}")
        self.invariant = invariant
        self.what = what


def must(condition: object, invariant: Invariant, what: str) -> None:
    if not condition:
        raise Broken(invariant, what)
