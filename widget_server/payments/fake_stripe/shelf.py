"""The only place that keeps the pretend Stripe's books in a file: what was paid yesterday can be given back today."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from widget_server.payments.fake_stripe.account import Account
from widget_server.payments.fake_stripe.books import Books
from widget_server.payments.fake_stripe.idempotency import Kept
from widget_server.payments.fake_stripe.objects import Charge, Intent, Line, Refund, Session

_OF_ACCOUNT = ("name", "secret_key", "webhook_secret", "webhook_url")
_OF_REFUND = ("id", "created", "amount", "metadata", "reason", "status", "failure_reason")


def save(books: Books, file: Path) -> None:
    """All or nothing, and for our eyes only. What has not been told yet is not kept, nor are events."""
    written = json.dumps([_account(account) for account in books.accounts()])
    fresh = file.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(written, "utf-8")
    os.replace(fresh, file)


def load(books: Books, file: Path) -> None:
    """Into accounts that are open already, or anew. Nothing, where there is no file, or one of another version."""
    try:
        read = [(known, _account_of(books, known)) for known in json.loads(file.read_text("utf-8"))]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return
    for known, kept in read:
        account = books.find_account(kept.secret_key) or books.open_account(
            **{name: known[name] for name in _OF_ACCOUNT}
        )
        account.id, account.refunds_wait = kept.id, kept.refunds_wait
        account.sessions, account.intents, account.refunds = kept.sessions, kept.intents, kept.refunds
        account.answers = kept.answers


def _account(account: Account) -> dict[str, Any]:
    return {
        **{name: getattr(account, name) for name in (*_OF_ACCOUNT, "id", "refunds_wait")},
        "sessions": [asdict(session) for session in account.sessions.values()],
        "refunds": [_refund(refund) for refund in account.refunds.values()],
        "answers": [
            [key, *kept.request, kept.at, *kept.answer] for key, kept in account.answers.items() if kept.answer
        ],
    }


def _refund(refund: Refund) -> dict[str, Any]:
    return {**{name: getattr(refund, name) for name in _OF_REFUND}, "intent": refund.charge.intent_id}


def _account_of(books: Books, known: dict[str, Any]) -> Account:
    parts = {name: known[name] for name in (*_OF_ACCOUNT, "id", "refunds_wait")}
    account = Account(**parts, pages_url=books.public_url)
    for session in (_session_of(session) for session in known["sessions"]):
        account.sessions[session.id] = session
        session.url = account.page_of(session.id)
        if session.intent is not None:
            account.intents[session.intent.id] = session.intent
    for refund in known["refunds"]:
        intent = account.intents.get(refund.pop("intent"))
        if intent is not None and intent.charge is not None:
            account.refunds[refund["id"]] = Refund(**refund, charge=intent.charge)
    for key, path, sent, at, status, body in known["answers"]:
        account.answers[key] = Kept((path, sent), at, (status, body))
    return account


def _session_of(known: dict[str, Any]) -> Session:
    known["lines"] = tuple(Line(**line) for line in known["lines"])
    known["methods"] = tuple(known["methods"])
    if known["intent"] is not None:
        known["intent"] = _intent_of(known["intent"])
    return Session(**known)


def _intent_of(known: dict[str, Any]) -> Intent:
    known["methods"] = tuple(known["methods"])
    if known["charge"] is not None:
        known["charge"] = Charge(**known["charge"])
    return Intent(**known)
