"""A site's accounts at Stripe: entering keys, having them checked, and taking them away again."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.clock import Clock
from widget_server.domain.audit_log import Deed, Entry
from widget_server.domain.payment_accounts import (
    AccountState,
    KeptAccount,
    shown,
    what_is_wrong_with_key,
    what_is_wrong_with_webhook_secret,
)
from widget_server.domain.payments import Payment, PaymentAccount
from widget_server.domain.schedule import Schedule
from widget_server.domain.sites import Site
from widget_server.errors import (
    Fault,
    InvalidRequest,
    NotFound,
    PaymentRefused,
    PaymentsAway,
    PaymentsNotSetUp,
    Refusal,
)
from widget_server.payments.events import EVENTS
from widget_server.store.audit_log import put_entry
from widget_server.store.payment_accounts import PaymentAccounts as StoredAccounts
from widget_server.store.payment_accounts import put_check, put_removal, read_just_begun
from widget_server.store.sites import Sites
from widget_server.use_cases.forever import forever
from widget_server.use_cases.scheduling import Scheduling
from widget_server.use_cases.tries import Tries

__all__ = ["EVENTS", "PERMISSIONS", "Accounts", "PaymentAccounts"]

_CHECKS_MAX = 30
"""Of a site, within the window of `Tries`: each is a call to Stripe."""
_LOOK_EVERY_S = 60.0
_CHECKED_AT_ONCE = 20
_NAME_LENGTH_MAX = 200
PERMISSIONS = ("Checkout Sessions", "PaymentIntents", "Charges and Refunds")
"""What a restricted key must be allowed to write; all else may be nothing."""
_NO_KEY = "Enter the secret key."
_ANOTHER_ACCOUNT = (
    "This key is of another account at Stripe, and somebody is just paying, or paid back, with the one before. Try "
    "again in a quarter of an hour. To take no new payments until then, remove the keys."
)
_JUST_BEGUN = (
    "Somebody has just begun to pay with the key before. Try again in half a minute. Where somebody always has, remove "
    "the keys first: then nobody begins to pay, and half a minute later this key is taken."
)
_NO_ADDRESS = (
    "Customers could not come back from Stripe yet, as this server does not know its address: whoever runs it "
    "has to set TENUTO_PUBLIC_URL first."
)
_REFUSED = (
    "Stripe does not take this key. Copy it once more, all of it; a restricted key must be allowed to write "
    f"{', '.join(PERMISSIONS[:-1])} and {PERMISSIONS[-1]}."
)
_CHANGED_KEY = (
    "{count} at Stripe cannot be read, because TENUTO_SECRET_KEY is another one than when the keys were entered. "
    "Set it back, or enter the keys again on the page Payments of each site."
)


_log = structlog.get_logger()


class Gateway(Protocol):
    async def check(self, account: PaymentAccount) -> str: ...

    async def read(self, account: PaymentAccount, session_id: str) -> Payment: ...


@dataclass(frozen=True, slots=True)
class Accounts:
    """Both of a site, as far as there are any, and how they are doing."""

    live: KeptAccount | None
    test: KeptAccount | None
    heard_at: datetime | None
    """When Stripe has last told of something by itself."""
    under_way: dict[bool, int]
    """How many payments and refunds are not at their end yet, by mode."""
    pretend_url: str | None
    """Where it is somebody else who is asked in Stripe's place."""

    def of(self, *, is_test: bool) -> KeptAccount | None:
        return self.test if is_test else self.live


@dataclass(frozen=True, slots=True)
class _Answer:
    """Of Stripe, about a key."""

    name: str
    """Of the business; empty where Stripe has not said."""
    state: AccountState
    at: datetime | None


class PaymentAccounts:
    def __init__(
        self,
        *,
        accounts: StoredAccounts,
        gateway: Gateway,
        sites: Sites,
        scheduling: Scheduling,
        clock: Clock,
        pretend_url: str | None = None,
        has_address: bool = True,
    ) -> None:
        """`has_address`: somebody has said where browsers reach this server, which is where customers come back to."""
        self._accounts = accounts
        self._pretend_url = pretend_url
        self._has_address = has_address
        self._gateway = gateway
        self._sites = sites
        self._scheduling = scheduling
        self._clock = clock
        self._tries = Tries(clock)

    async def all_of(self, site: Site) -> Accounts:
        kept = {one.is_test: one for one in await self._accounts.kept(site.id)}
        under_way = {is_test: await self._accounts.under_way(site.id, is_test=is_test) for is_test in kept}
        heard_at = await self._accounts.heard_at(site.id)
        return Accounts(kept.get(False), kept.get(True), heard_at, under_way, self._pretend_url)

    async def enter(
        self, site: Site, *, is_test: bool, secret_key: str, webhook_secret: str, operator_id: int
    ) -> KeptAccount:
        """Keep these keys if Stripe takes them, or is away. What is empty stays as it is; the same again does nothing.

        Raises InvalidRequest with `fields` for what cannot be right or Stripe refuses, TooManyTries, Unavailable.
        """
        found = await self._accounts.read(site.id, is_test=is_test)
        before = found[0] if found and found[0].removed_at is None else None
        if not is_test and not self._has_address:
            raise InvalidRequest("This server has no public address.", fields={"secret_key": _NO_ADDRESS})
        keys = found[1] if found and (before or _is_entered_again(found[1], secret_key)) else None
        wanted = _wanted(keys, is_test=is_test, secret_key=secret_key, webhook_secret=webhook_secret)
        if before is not None and wanted == keys:
            return before
        is_same_key = keys is not None and wanted.secret_key == keys.secret_key
        answer = _known(before, is_same_key=is_same_key)
        if answer is None:
            self._spend_try(site)
            answer = await self._ask(wanted)
        if answer.state is AccountState.REFUSED:
            raise InvalidRequest("Stripe does not take this key.", fields={"secret_key": _REFUSED})
        present = found[1] if found and not is_same_key else None
        seen = None
        if present:
            seen = await self._must_know_what_is_under_way(site, present, wanted, is_test=is_test)
        now = self._clock.now()
        after = _kept(before, keys, wanted, answer, is_test=is_test, at=now)
        entry = _entry(site, operator_id, Deed.PAYMENT_KEYS_ENTERED, is_test=is_test, at=now)

        async def write(session: AsyncSession) -> None:
            # No pin is granted before this is written, and a page is opened, with the keys of then, only after that.
            if present and await read_just_begun(session, site.id, is_test=is_test, seen=seen):
                raise InvalidRequest("Payments have just begun.", fields={"secret_key": _JUST_BEGUN})
            await self._accounts.put(session, site.id, after, wanted)
            put_entry(session, entry)

        await self._scheduling.change(site, write)
        return after

    async def check(self, site: Site, *, is_test: bool) -> KeptAccount:
        """Ask Stripe once more about the keys there are. Where it is away, the answer is `unchecked`; nothing changes.

        Raises NotFound where there are none, PaymentsNotSetUp where they cannot be read, TooManyTries, Unavailable.
        """
        self._spend_try(site)
        return await self._check(site, is_test=is_test)

    async def _check(self, site: Site, *, is_test: bool) -> KeptAccount:
        found = await self._accounts.read(site.id, is_test=is_test)
        if found is None or found[0].removed_at is not None:
            raise NotFound("There are no keys to check.")
        before, keys = found
        if keys is None:
            raise PaymentsNotSetUp("These keys cannot be read any more: enter them again.")
        answer = await self._ask(keys)
        if answer.state is AccountState.UNCHECKED:
            return replace(before, state=answer.state)
        name = answer.name if answer.state is AccountState.ACCEPTED else before.name
        after = replace(before, name=name[:_NAME_LENGTH_MAX], state=answer.state, checked_at=answer.at)

        async def write(session: AsyncSession) -> None:
            await put_check(session, site.id, after)

        await self._scheduling.change(site, write)
        return after

    async def remove(self, site: Site, *, is_test: bool, operator_id: int) -> None:
        """Take no payments with these keys from now on. They are kept until what is under way is at its end.

        Otherwise somebody who is just paying could be charged, and nobody could give it back. A second call does
        nothing.
        """
        now = self._clock.now()
        entry = _entry(site, operator_id, Deed.PAYMENT_KEYS_REMOVED, is_test=is_test, at=now)

        async def write(session: AsyncSession) -> None:
            if await put_removal(session, site.id, is_test=is_test, at=now):
                put_entry(session, entry)

        await self._scheduling.change(site, write)
        await self._accounts.forget_removed()

    async def forget_removed(self) -> int:
        """Keys that nothing needs any more, of all sites. Returns how many accounts went."""
        return await self._accounts.forget_removed()

    async def run(self) -> None:
        """See to all accounts again and again, until cancelled. Any number of workers may do so."""

        async def step() -> None:
            await self.forget_removed()
            await self.check_unchecked()
            await asyncio.sleep(_LOOK_EVERY_S)

        await forever("payment_accounts", step)

    async def check_unchecked(self) -> None:
        """Those that Stripe was away for when they were entered, or that it has not taken when somebody was to pay."""
        for site_id, is_test in await self._accounts.unchecked(_CHECKED_AT_ONCE):
            site = await self._sites.by_id(site_id)
            if site is None:
                continue
            try:
                checked = await self._check(site, is_test=is_test)
            except (NotFound, PaymentsNotSetUp):
                continue  # removed, or entered anew under another server key, meanwhile
            except Refusal as problem:
                _log.warning("keys_unchecked", site=site.key, why=problem.message)  # those of other sites can be
                continue
            if checked.state is AccountState.REFUSED:
                _log.warning("keys_refused", site=site.key, keys=_mode(is_test=is_test))

    async def trouble_of(self, site: Site, schedule: Schedule) -> bool:
        """Whether something has a price, and the keys there are for it are of no use."""
        if all(service.price.is_free for service in schedule.services.values()):
            return False
        present = (one for one in await self._accounts.kept(site.id) if one.is_test == site.is_test)
        return any(one.removed_at is None and not one.takes_payments for one in present)

    async def are_readable(self) -> None:
        """Raises Fault, as a sentence for whoever runs the server, where keys were sealed under another server key."""
        unreadable = await self._accounts.unreadable()
        if unreadable:
            told = "The keys of an account" if unreadable == 1 else f"The keys of {unreadable} accounts"
            raise Fault(_CHANGED_KEY.format(count=told))

    async def _must_know_what_is_under_way(
        self, site: Site, present: PaymentAccount, wanted: PaymentAccount, *, is_test: bool
    ) -> str | None:
        """Another key of the same account does. With those of another one, nobody could settle what is under way. The
        page by which that was found out, if there is one.

        Raises InvalidRequest; PaymentsAway where nobody knows.
        """
        session_id = await self._accounts.session_under_way(site.id, is_test=is_test)
        if session_id is None or not await self._knows(present, session_id):
            return session_id
        if not await self._knows(wanted, session_id):
            raise InvalidRequest("Payments are under way.", fields={"secret_key": _ANOTHER_ACCOUNT})
        return session_id

    async def _knows(self, keys: PaymentAccount, session_id: str) -> bool:
        """Raises PaymentsAway."""
        with suppress(PaymentsNotSetUp, PaymentRefused):
            await self._gateway.read(keys, session_id)
            return True
        return False

    def _spend_try(self, site: Site) -> None:
        """Raises TooManyTries."""
        self._tries.spend([(f"keys {site.id}", _CHECKS_MAX)])

    async def _ask(self, keys: PaymentAccount) -> _Answer:
        try:
            return _Answer(await self._gateway.check(keys), AccountState.ACCEPTED, self._clock.now())
        except PaymentsAway:
            return _Answer("", AccountState.UNCHECKED, None)
        except (PaymentsNotSetUp, PaymentRefused):
            return _Answer("", AccountState.REFUSED, self._clock.now())


def _is_entered_again(removed: PaymentAccount | None, secret_key: str) -> bool:
    """Then the webhook's secret goes on, too: Stripe signs with it what it tells of those who were paying meanwhile."""
    return removed is not None and removed.secret_key == secret_key


def _wanted(keys: PaymentAccount | None, *, is_test: bool, secret_key: str, webhook_secret: str) -> PaymentAccount:
    """What was entered, in place of what there is. Raises InvalidRequest with all that is wrong."""
    wrong: dict[str, str | None] = {}
    if secret_key or keys is None:
        wrong["secret_key"] = what_is_wrong_with_key(secret_key, is_test=is_test) if secret_key else _NO_KEY
    if webhook_secret:
        wrong["webhook_secret"] = what_is_wrong_with_webhook_secret(webhook_secret)
    fields = {field: why for field, why in wrong.items() if why}
    if fields:
        raise InvalidRequest("These keys cannot be right.", fields=fields)
    before = keys or PaymentAccount("", "")
    return PaymentAccount(secret_key or before.secret_key, webhook_secret or before.webhook_secret)


def _known(before: KeptAccount | None, *, is_same_key: bool) -> _Answer | None:
    """What Stripe has said of this key already."""
    if before is None or not is_same_key or before.state is not AccountState.ACCEPTED:
        return None
    return _Answer(before.name, before.state, before.checked_at)


def _kept(
    before: KeptAccount | None,
    keys: PaymentAccount | None,
    wanted: PaymentAccount,
    answer: _Answer,
    *,
    is_test: bool,
    at: datetime,
) -> KeptAccount:
    is_same_key = before is not None and keys is not None and keys.secret_key == wanted.secret_key
    is_same_webhook = before is not None and keys is not None and keys.webhook_secret == wanted.webhook_secret
    has_webhook = bool(wanted.webhook_secret)
    return KeptAccount(
        is_test=is_test,
        key_shown=shown(wanted.secret_key),
        webhook_shown=shown(wanted.webhook_secret) if has_webhook else None,
        name=answer.name[:_NAME_LENGTH_MAX],
        state=answer.state,
        checked_at=answer.at,
        entered_at=before.entered_at if before and is_same_key else at,
        webhook_entered_at=(before.webhook_entered_at if before and is_same_webhook else at) if has_webhook else None,
        removed_at=None,
        is_readable=True,
    )


def _entry(site: Site, operator_id: int, deed: Deed, *, is_test: bool, at: datetime) -> Entry:
    return Entry(site.id, operator_id, deed, at, detail={"keys": _mode(is_test=is_test)})


def _mode(*, is_test: bool) -> str:
    return "test" if is_test else "live"
