"""The only place that tells businesses what happened: signed as by Stripe, tried again, late or wrong on demand."""

import asyncio
import hashlib
import hmac
import json
from collections import deque
from dataclasses import dataclass

import httpx

from widget_server.payments.fake_stripe.account import Account
from widget_server.payments.fake_stripe.books import Books

TIMEOUT_S = 10
PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Before each further try; then Stripe would go on for days, and we give up."""
WAITING_MAX = 5000


@dataclass(frozen=True, slots=True)
class Letter:
    """As it is posted to the webhook's address."""

    body: bytes
    signature: str
    """For the header `Stripe-Signature`."""


@dataclass(slots=True)
class _Waiting:
    account: Account
    payload: bytes
    due: float
    tries: int = 0


def sign(body: bytes, secret: str, at: int) -> str:
    """https://docs.stripe.com/webhooks#verify-manually"""
    digest = hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def take_letters(books: Books, account: Account) -> list[Letter]:
    """What the account has not been told, in the order and number that `books.post` asks for. Twice is nothing more."""
    return [_letter(books, account, payload) for payload in _take_payloads(books, account)]


def _take_payloads(books: Books, account: Account) -> list[bytes]:
    payloads = []
    while account.untold:
        payloads.append(json.dumps(account.untold.popleft().as_json()).encode())
    if books.post.dropped:
        return []
    if books.post.reordered:
        payloads.reverse()
    return [payload for payload in payloads for _ in range(2 if books.post.doubled else 1)]


def _letter(books: Books, account: Account, payload: bytes) -> Letter:
    secret = "whsec_of_somebody_else" if books.post.forged else account.webhook_secret
    # By the machine's clock, whatever time the books pretend it is: so whoever verifies will look at theirs.
    at = int(books.clock.now().timestamp()) - books.post.stale_s
    return Letter(payload, sign(payload, secret, at))


class Postman:
    """Carries letters as long as there are any, in one task of the running loop."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._waiting: deque[_Waiting] = deque(maxlen=WAITING_MAX)
        self._round: asyncio.Task[None] | None = None

    def wake(self) -> None:
        if not any(account.untold and account.webhook_url for account in self._books.accounts()):
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # nobody serves yet; the next request will wake us
        if self._round is None or self._round.done():
            self._round = loop.create_task(self._carry())

    async def rest(self) -> None:
        """Returns once everything is told, or given up."""
        if self._round is not None:
            await self._round

    async def close(self) -> None:
        if self._round is not None:
            self._round.cancel()
            await asyncio.gather(self._round, return_exceptions=True)

    async def _carry(self) -> None:
        now = asyncio.get_running_loop().time
        async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
            while True:
                await self._collect()
                if not self._waiting:
                    return
                first = min(self._waiting, key=lambda one: one.due)
                if first.due > now():
                    await asyncio.sleep(min(first.due - now(), PAUSES_S[0]))
                    continue
                self._waiting.remove(first)
                if not await self._try(client, first) and first.tries < len(PAUSES_S):
                    first.due, first.tries = now() + PAUSES_S[first.tries], first.tries + 1
                    self._waiting.append(first)

    async def _collect(self) -> None:
        told = [one for one in self._books.accounts() if one.untold and one.webhook_url]
        if told and self._books.post.delay_s:
            await asyncio.sleep(self._books.post.delay_s)
        due = asyncio.get_running_loop().time()
        for account in told:
            self._waiting.extend(_Waiting(account, payload, due) for payload in _take_payloads(self._books, account))

    async def _try(self, client: httpx.AsyncClient, waiting: _Waiting) -> bool:
        letter = _letter(self._books, waiting.account, waiting.payload)
        headers = {"stripe-signature": letter.signature, "content-type": "application/json; charset=utf-8"}
        assert waiting.account.webhook_url is not None
        try:
            answer = await client.post(waiting.account.webhook_url, content=letter.body, headers=headers)
        except httpx.HTTPError:
            return False
        return answer.is_success
