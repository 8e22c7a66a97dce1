"""The only place that speaks HTTP as Stripe does: keys, forms, idempotency and faults around what the books decide."""

import base64
import binascii
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from widget_server.payments.fake_stripe import params
from widget_server.payments.fake_stripe.account import Account
from widget_server.payments.fake_stripe.books import Books
from widget_server.payments.fake_stripe.faults import Call, Trouble
from widget_server.payments.fake_stripe.idempotency import find_or_begin, forget_unanswered, keep
from widget_server.payments.fake_stripe.objects import API_VERSION, new_id
from widget_server.payments.fake_stripe.params import Shape, check, decode
from widget_server.payments.fake_stripe.pay_page import pay_pages
from widget_server.payments.fake_stripe.refusals import (
    StripeRefusal,
    broken,
    invalid,
    locked,
    not_permitted,
    too_many,
    unknown_address,
    without_key,
)
from widget_server.payments.fake_stripe.shelf import load, save
from widget_server.payments.fake_stripe.webhooks import Postman

BODY_BYTES_MAX = 65_536
Answer = tuple[int, dict[str, Any]]


class Shown(Protocol):
    def as_json(self, expand: Collection[str] = ()) -> dict[str, Any]: ...


Act = Callable[[Account, str, Mapping[str, Any], int], Shown]


@dataclass(frozen=True, slots=True)
class Endpoint:
    method: str
    path: str
    call: Call
    takes: Mapping[str, Shape]
    act: Act


_SESSIONS, _INTENTS = "/v1/checkout/sessions", "/v1/payment_intents"
ENDPOINTS = (
    Endpoint("GET", "/v1/account", Call.ACCOUNT, params.RETRIEVE, lambda one, _, wanted, now: one),
    Endpoint(
        "POST", _SESSIONS, Call.OPEN, params.SESSION_CREATE, lambda one, _, wanted, now: one.open_session(wanted, now)
    ),
    Endpoint("GET", f"{_SESSIONS}/{{id}}", Call.READ, params.RETRIEVE, lambda one, of, _, now: one.session(of, now)),
    Endpoint(
        "POST", f"{_SESSIONS}/{{id}}/expire", Call.EXPIRE, params.EXPIRE, lambda one, of, _, now: one.expire(of, now)
    ),
    Endpoint(
        "GET", f"{_INTENTS}/{{id}}", Call.READ_INTENT, params.RETRIEVE, lambda one, of, _, now: one.intent(of, now)
    ),
    Endpoint("POST", f"{_INTENTS}/{{id}}/capture", Call.CAPTURE, params.CAPTURE, Account.capture),
    Endpoint("POST", f"{_INTENTS}/{{id}}/cancel", Call.CANCEL, params.CANCEL, Account.cancel),
    Endpoint(
        "POST", "/v1/refunds", Call.REFUND, params.REFUND_CREATE, lambda one, _, wanted, now: one.refund(wanted, now)
    ),
    Endpoint(
        "GET",
        "/v1/refunds",
        Call.LIST_REFUNDS,
        params.REFUND_LIST,
        lambda one, _, wanted, now: one.list_refunds(wanted),
    ),
    Endpoint("GET", "/v1/refunds/{id}", Call.READ_REFUND, params.RETRIEVE, lambda one, of, _, now: one.refund_of(of)),
    Endpoint("GET", "/v1/events/{id}", Call.EVENT, params.RETRIEVE, lambda one, of, _, now: one.event(of)),
)


def app(books: Books, *, kept_in: Path | None = None) -> Starlette:
    """To serve by itself, or to mount below `books.public_url`. Webhooks are sent from the loop that it runs in.

    With `kept_in`, a file, the books go on where they were left: read from it now, and written after each change.
    """
    postman = Postman(books)
    if kept_in is not None:
        load(books, kept_in)

    def changed() -> None:
        if kept_in is not None:
            save(books, kept_in)
        postman.wake()

    books.changed = changed
    routes = [Route(one.path, _answers(books, one), methods=[one.method]) for one in ENDPOINTS]
    nowhere = Route("/{path:path}", _nowhere, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    made = Starlette(routes=[*routes, *pay_pages(books), nowhere], max_body_size=BODY_BYTES_MAX)
    made.state.postman = postman
    return made


class Cut(Response):
    """An answer that breaks off: what the caller learns is that the connection is gone."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})


class _CutOff(Exception):
    pass


def _answers(books: Books, endpoint: Endpoint) -> Callable[[Request], Any]:
    async def answered(request: Request) -> Response:
        try:
            return await _answer(books, endpoint, request)
        except StripeRefusal as refusal:
            return _reply(refusal.status, refusal.body())
        except _CutOff:
            return Cut()

    return answered


async def _nowhere(request: Request) -> Response:
    refusal = unknown_address(request.method, request.url.path)
    return _reply(refusal.status, refusal.body())


async def _answer(books: Books, endpoint: Endpoint, request: Request) -> Response:
    account = books.account_of(_key_of(request))
    wanted = check(await _parameters(request), endpoint.takes)
    key = request.headers.get("idempotency-key") if endpoint.method == "POST" else None
    if key is None:
        return _reply(*await _act(books, endpoint, request, account, wanted))
    sent = request.url.path, json.dumps(wanted, sort_keys=True)
    replayed = find_or_begin(account.answers, key, sent, books.now())
    if replayed is not None:
        return _reply(*replayed, is_replayed=True)
    try:
        return _reply(*await _act(books, endpoint, request, account, wanted, key))
    finally:
        forget_unanswered(account.answers, key)


async def _act(
    books: Books,
    endpoint: Endpoint,
    request: Request,
    account: Account,
    wanted: Mapping[str, Any],
    key: str | None = None,
) -> Answer:
    """Whatever is kept under the key is kept here, before anything goes wrong on the way back."""
    await _go_wrong(books, endpoint.call, after=False)
    account.key_in_use, untold = key, len(account.untold)
    try:
        shown = endpoint.act(account, request.path_params.get("id", ""), wanted, books.now())
        answer = 200, shown.as_json(wanted.get("expand", ()))
    except StripeRefusal as refusal:
        if not refusal.is_kept:
            raise
        answer = refusal.status, refusal.body()
    finally:
        account.key_in_use = None
    if key is not None:
        keep(account.answers, key, answer)
    if endpoint.method == "POST" or len(account.untold) != untold:  # who only looks may find that time has passed
        books.changed()
    try:
        await _go_wrong(books, endpoint.call, after=True)
    except StripeRefusal as refusal:
        answer = refusal.status, refusal.body()
        if key is not None:
            keep(account.answers, key, answer)
    return answer


async def _go_wrong(books: Books, call: Call, *, after: bool) -> None:
    """Whatever was asked for on demand; otherwise nothing."""
    stop = books.faults.next_stop(call, after=after)
    if stop is not None:
        await stop.wait()
    match books.faults.next_trouble(call, after=after):
        case Trouble.BROKEN:
            raise broken()
        case Trouble.BUSY:
            raise too_many()
        case Trouble.LOCKED:
            raise locked()
        case Trouble.FORBIDDEN:
            raise not_permitted()
        case Trouble.CUT:
            raise _CutOff


def _key_of(request: Request) -> str:
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            credentials = base64.b64decode(credentials, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            credentials = ""
    if scheme.lower() not in {"basic", "bearer"} or not credentials:
        raise without_key()
    return credentials


async def _parameters(request: Request) -> dict[str, Any]:
    form = await request.body() if request.method == "POST" else request.url.query.encode()
    try:
        pairs = parse_qsl(form.decode(), keep_blank_values=True, strict_parsing=bool(form))
    except ValueError as problem:
        raise invalid("", "Invalid request: the body is no form.") from problem
    return decode(pairs)


def _reply(status: int, body: dict[str, Any], *, is_replayed: bool = False) -> Response:
    headers = {"request-id": new_id("req"), "stripe-version": API_VERSION}
    if is_replayed:
        headers["idempotent-replayed"] = "true"
    return JSONResponse(body, status, headers)
