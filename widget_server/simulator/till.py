"""The only place that watches money: what Stripe is asked to do with it, and whether its books and ours agree."""

import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from widget_server.domain.attempts import OPENING_FOR
from widget_server.domain.payments import WantedPayment
from widget_server.payments.fake_stripe.objects import Session
from widget_server.simulator.invariants import Broken, Invariant, must
from widget_server.simulator.witness import Witness
from widget_server.store import attempts, refunds


class Attempt(NamedTuple):
    id: str
    state: str
    amount: int
    session: str | None
    order: str | None
    """The state of the order of its hold, if there is one; likewise `outcome`."""
    outcome: str | None


class Till:
    """Looks into SQL past the product."""

    def __init__(self, sql: sqlite3.Connection, witness: Witness) -> None:
        self._sql = sql
        self._witness = witness
        self._refunded: set[str] = set()
        """Refunds that Stripe has done, by our ids."""

    # What Stripe is asked to do: looked at just after it was done

    def opened(self, wanted: WantedPayment) -> None:
        self._must(self._state_of(wanted.attempt_id), Invariant.RECORD, f"a page without an attempt: {wanted}")

    def captured(self, attempt_id: str) -> None:
        state = self._state_of(attempt_id)
        self._must(state == "capturing", Invariant.RECORD, f"captured, and attempt {attempt_id} is {state}")

    def voided(self, attempt_id: str) -> None:
        state = self._state_of(attempt_id)
        self._must(state == "returning", Invariant.RECORD, f"voided, and attempt {attempt_id} is {state}")

    def refunded(self, refund_id: str, amount: int) -> None:
        found = self._sql.execute("SELECT amount_minor, state FROM refund WHERE public_id = ?", (refund_id,)).fetchone()
        self._must(found == (amount, "waiting"), Invariant.RECORD, f"{amount} went back for {refund_id}: {found}")
        self._must(refund_id not in self._refunded, Invariant.BACK, f"{amount} went back again for {refund_id}")
        self._refunded.add(refund_id)

    # What is written

    def site_of(self, attempt_id: str) -> str | None:
        found = self._sql.execute(
            "SELECT key FROM attempt JOIN site ON site.id = site_id WHERE public_id = ?", (attempt_id,)
        ).fetchone()
        return str(found[0]) if found else None

    def state_of_session(self, session_id: str) -> str | None:
        """Of its attempt."""
        found = self._sql.execute("SELECT state FROM attempt WHERE session_id = ?", (session_id,)).fetchone()
        return str(found[0]) if found else None

    def went_back(self, site: str, hold_id: str) -> dict[str, int]:
        """How much, by the reason for it; also what is on its way."""
        return dict(
            self._sql.execute(
                "SELECT reason, sum(amount_minor) FROM refund JOIN site ON site.id = site_id "
                "WHERE key = ? AND order_id = ? AND refund.state <> 'failed' GROUP BY reason",
                (site, hold_id),
            ).fetchall()
        )

    def unfinished(self, now: datetime, sessions: Mapping[str, Session]) -> list[datetime | None]:
        """When the next look comes at each attempt for which something is to be done."""
        found = self._sql.execute(
            "SELECT state, session_id, due_at, pay_until FROM attempt WHERE state IN ('opening', 'open', 'capturing', "
            "'returning') OR (state = 'ended' AND due_at IS NOT NULL) OR (state = 'offering' AND (due_at <= :now "
            "OR offered_until <= :now OR chosen_id IS NOT NULL OR EXISTS (SELECT 1 FROM alternative "
            "WHERE attempt_id = attempt.id AND alternative.state = 'wanted')))",
            {"now": f"{now:%Y-%m-%d %H:%M:%S.%f}"},
        )
        return [
            _instant(due_at) if due_at else None
            for state, session_id, due_at, pay_until in found
            if state != "open" or _instant(pay_until) <= now or sessions[session_id].status != "open"
        ]

    def known_to_take(self, now: datetime, sessions: Mapping[str, Session]) -> tuple[datetime, datetime]:
        """Until when attempts and refunds may wait, though all goes well: another process sees to those of one that has
        died once its claim is over, a page that was being opened may be there yet, and of what was done there Stripe
        may have told nobody.
        """
        until = [now]
        for state, session_id, due_at, asked_at, created_at in self._sql.execute(
            "SELECT state, session_id, due_at, asked_at, created_at FROM attempt WHERE due_at IS NOT NULL"
        ):
            is_claimed = asked_at and _instant(due_at) == _instant(asked_at) + attempts.CLAIMED_FOR
            if state == "opening":
                until.append(_instant(created_at) + OPENING_FOR)
            elif is_claimed or (state == "open" and sessions[session_id].status != "open"):
                until.append(_instant(due_at))
        back = [min(due_at, now + refunds.CLAIMED_FOR) for due_at in self.unrefunded() if due_at]
        return max(until), max(until + back)

    def unrefunded(self) -> list[datetime | None]:
        """Likewise at each refund."""
        found = self._sql.execute("SELECT due_at FROM refund WHERE state = 'waiting'")
        return [_instant(due_at) if due_at else None for (due_at,) in found]

    def next_probe(self) -> datetime | None:
        """When Stripe is asked again whether it answers, if it did not."""
        (probe_at,) = self._sql.execute("SELECT min(probe_at) FROM payment_account").fetchone()
        return _instant(probe_at) if probe_at else None

    # What must hold

    def check(self) -> None:
        """At any moment."""
        too_much = self._sql.execute(
            "SELECT attempt.public_id, attempt.amount_minor, sum(refund.amount_minor) FROM refund "
            "JOIN attempt ON attempt.id = attempt_id WHERE refund.state <> 'failed' "
            "GROUP BY attempt.id HAVING sum(refund.amount_minor) > attempt.amount_minor"
        ).fetchall()
        must(not too_much, Invariant.BACK, f"attempts of which more goes back than was paid: {too_much}")
        unpaid = self._sql.execute(
            "SELECT hold_id, state FROM orders WHERE total_minor > 0 AND state <> 'voided' AND NOT EXISTS (SELECT 1 "
            "FROM attempt WHERE attempt.site_id = orders.site_id AND attempt.hold_id = orders.hold_id "
            "AND (attempt.state, orders.state) IN (VALUES ('capturing', 'authorised'), ('paid', 'paid'), "
            "('paid', 'refunded')))"
        ).fetchall()
        must(not unpaid, Invariant.MONEY, f"orders that nobody pays: {unpaid}")

    def check_at_rest(self, sessions: Mapping[str, Session]) -> None:
        """Once everything that was under way has come to its end."""
        by_id, back = {attempt.id: attempt for attempt in self._attempts()}, self._back()
        for session in sessions.values():
            attempt = by_id[session.reference or ""]
            if attempt.session == session.id:
                _check_page(attempt, session, back[attempt.id])
            else:
                must(session.intent is None, Invariant.MONEY, f"{session} was paid, and nobody knows: {attempt}")
        for attempt in by_id.values():
            is_paid = attempt.state == "paid"
            must(attempt.state in ("open", "offering", "paid", "ended"), Invariant.ATTEMPT, f"{attempt}")
            must(not is_paid or attempt.session in sessions, Invariant.MONEY, f"{attempt} without a page")
            kept = attempt.order in ("paid", "refunded") and attempt.outcome == "confirmed"
            must(kept or not is_paid, Invariant.MONEY, f"no order came of {attempt}")

    def _attempts(self) -> list[Attempt]:
        rows = self._sql.execute(
            "SELECT public_id, attempt.state, amount_minor, session_id, orders.state, outcome.state FROM attempt "
            "LEFT JOIN orders ON orders.site_id = attempt.site_id AND orders.hold_id = attempt.hold_id "
            "LEFT JOIN outcome ON outcome.site_id = attempt.site_id "
            "AND outcome.hold_id = coalesce(seats_id, attempt.hold_id)"
        )
        return [Attempt(*row) for row in rows]

    def _back(self) -> defaultdict[str, int]:
        """What has gone back of each attempt, as SQL knows."""
        rows = self._sql.execute(
            "SELECT attempt.public_id, sum(refund.amount_minor) FROM refund JOIN attempt ON attempt.id = attempt_id "
            "WHERE refund.state = 'done' GROUP BY attempt.id"
        )
        return defaultdict(int, rows.fetchall())

    def _state_of(self, attempt_id: str) -> str | None:
        found = self._sql.execute("SELECT state FROM attempt WHERE public_id = ?", (attempt_id,)).fetchone()
        return str(found[0]) if found else None

    def _must(self, condition: object, invariant: Invariant, what: str) -> None:
        """Inside a call of the product, which would take an exception for its own."""
        if not condition:
            self._witness.broken = self._witness.broken or Broken(invariant, what)


def _check_page(attempt: Attempt, session: Session, back: int) -> None:
    intent, what = session.intent, f"{attempt}, at Stripe {session}, {back} went back"
    is_captured = intent is not None and intent.status == "succeeded"
    charge = intent.charge if intent is not None and is_captured else None
    taken, returned = (charge.amount_captured, charge.amount_refunded) if charge else (0, 0)
    must(returned == back, Invariant.BACK, what)
    match attempt.state:
        case "paid":
            must(taken == attempt.amount, Invariant.MONEY, what)
        case "open":
            must(session.status == "open" and not taken, Invariant.MONEY, what)
        case "offering":
            must(taken in (0, attempt.amount) and not returned, Invariant.MONEY, what)
        case _:
            can_be_taken = intent is not None and intent.status == "requires_capture"
            must(session.status != "open" and not can_be_taken, Invariant.MONEY, what)
            must(taken == returned, Invariant.MONEY, what)


def _instant(kept: str) -> datetime:
    """As SQLite writes instants."""
    return datetime.fromisoformat(kept).replace(tzinfo=UTC)
