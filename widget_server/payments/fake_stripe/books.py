"""The only place that knows all pretend accounts and the time. Tests and the pay page ask here for what they want."""

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from widget_server.clock import Clock
from widget_server.payments.fake_stripe.account import AT_ONCE, METHODS, TAKES_DAYS, Account
from widget_server.payments.fake_stripe.faults import Faults, Post
from widget_server.payments.fake_stripe.objects import Dispute, Intent, Refund, Session, new_id
from widget_server.payments.fake_stripe.refusals import StripeRefusal, wrong_key

ACCOUNTS_MAX = 1000
_DECLINED = "card_declined", "Your card was declined."
_NOT_AUTHENTICATED = "payment_intent_authentication_failure", "Your bank could not make sure that it is you."


class NotPayable(Exception):
    """The session is complete or expired: its pay page takes nothing any more."""


@dataclass
class Books:
    """All accounts, by their secret keys. Kept in memory; the oldest are forgotten when there are too many."""

    clock: Clock
    public_url: str
    """Where browsers and our gateway reach the app, without a slash at the end."""
    faults: Faults = field(default_factory=Faults)
    post: Post = field(default_factory=Post)
    changed: Callable[[], None] = lambda: None
    """Called when there may be something to write down, and to tell."""
    _accounts: OrderedDict[str, Account] = field(default_factory=OrderedDict)
    _ahead: timedelta = timedelta()

    def open_account(
        self,
        *,
        name: str = "A studio",
        secret_key: str | None = None,
        webhook_secret: str | None = None,
        webhook_url: str | None = None,
    ) -> Account:
        """A business. The same key again: the account there is, with the new address for its webhooks."""
        key = secret_key or f"sk_test_{secrets.token_hex(16)}"
        account = self._accounts.get(key)
        if account is None:
            secret = webhook_secret or f"whsec_{secrets.token_hex(16)}"
            account = Account(new_id("acct"), name, key, secret, webhook_url, self.public_url)
            self._accounts[key] = account
            if len(self._accounts) > ACCOUNTS_MAX:
                self._accounts.popitem(last=False)
        account.webhook_url = webhook_url
        return account

    def find_account(self, secret_key: str) -> Account | None:
        return self._accounts.get(secret_key)

    def account_of(self, secret_key: str) -> Account:
        """Raises StripeRefusal 401 for a key that opens nothing."""
        account = self._accounts.get(secret_key)
        if account is None:
            raise wrong_key(secret_key)
        return account

    def accounts(self) -> tuple[Account, ...]:
        return tuple(self._accounts.values())

    def now(self) -> int:
        return int((self.clock.now() + self._ahead).timestamp())

    def let_pass(self, time_passing: timedelta) -> None:
        """Sessions end and authorisations lapse as if so much time had passed."""
        self._ahead += time_passing
        for account in self.accounts():
            for session_id in tuple(account.sessions):
                account.session(session_id, self.now())
        self.changed()

    def session(self, id: str) -> Session:
        """Of any account: the address of a pay page is all that its customer has. Raises StripeRefusal 404."""
        return self._found(id)[1]

    def account_of_session(self, id: str) -> Account:
        return self._found(id)[0]

    def sessions(self) -> tuple[Session, ...]:
        """The oldest first."""
        return tuple(session for account in self.accounts() for session in account.sessions.values())

    def intent(self, session_id: str) -> Intent:
        """What became of the payment; assumes that its customer has tried to pay."""
        intent = self.session(session_id).intent
        assert intent is not None, "nobody has tried to pay"
        return intent

    # What customers do on the pay page. Raises NotPayable once the session is complete or expired.

    def pay(self, session_id: str, method: str = "card") -> None:
        """By card: authorised, or charged where the session does not ask for more. Others charge, or take days."""
        account, session = self._payable(session_id)
        assert method in METHODS, method
        now = self.now()
        if method in TAKES_DAYS:
            account.start_slow_payment(session, method, now)
        elif method in AT_ONCE or not session.captures_card_later:
            account.charge_at_once(session, method, now)
        else:
            account.authorise(session, now)
        self.changed()

    def ask_bank(self, session_id: str) -> None:
        """By a card whose bank wants to be sure: nothing is authorised until `answer_bank`."""
        account, session = self._payable(session_id)
        account.begin(session, self.now()).status = "requires_action"
        self.changed()

    def answer_bank(self, session_id: str, *, is_sure: bool) -> None:
        account, session = self._payable(session_id)
        if is_sure:
            self.pay(session_id)
        else:
            account.decline(session, *_NOT_AUTHENTICATED, self.now())
        self.changed()

    def decline(self, session_id: str) -> None:
        """The bank says no. The customer may try again."""
        account, session = self._payable(session_id)
        account.decline(session, *_DECLINED, self.now())
        self.changed()

    # What banks, time and the business's own people at Stripe do

    def arrive(self, session_id: str) -> None:
        """The money of a method that takes days is there."""
        account, session = self._found(session_id)
        account.finish_slow_payment(session, self.now(), is_paid=True)
        self.changed()

    def fail(self, session_id: str) -> None:
        """The money of a method that takes days does not come."""
        account, session = self._found(session_id)
        account.finish_slow_payment(session, self.now(), is_paid=False)
        self.changed()

    def lapse(self, session_id: str) -> None:
        """The authorisation ends without a capture, as it does after seven days, or when the bank takes it back."""
        account, session = self._found(session_id)
        assert session.intent is not None
        assert session.intent.status == "requires_capture"
        account.give_up(session.intent, "automatic", self.now())
        self.changed()

    def capture(self, session_id: str) -> None:
        """Somebody captures it in Stripe's own pages."""
        account, _ = self._found(session_id)
        account.capture(self.intent(session_id).id, {}, self.now())
        self.changed()

    def refund(self, session_id: str, amount: int | None = None) -> Refund:
        """Somebody gives money back in Stripe's own pages: all that is left, unless told otherwise."""
        account, _ = self._found(session_id)
        wanted = {"payment_intent": self.intent(session_id).id, **({} if amount is None else {"amount": amount})}
        refund = account.refund(wanted, self.now())
        self.changed()
        return refund

    def finish_refund(self, refund_id: str, *, why_not: str | None = None) -> None:
        """Of an account whose `refunds_wait`: it is done, or failed with one of Stripe's reasons, as `declined`."""
        account = next(account for account in self.accounts() if refund_id in account.refunds)
        account.finish_refund(account.refunds[refund_id], self.now(), why_not=why_not)
        self.changed()

    def dispute(self, session_id: str, *, is_inquiry: bool = False) -> Dispute:
        """Whoever has paid asks their bank to take it back; or about it, for now."""
        account, _ = self._found(session_id)
        dispute = account.dispute(self.intent(session_id), self.now(), is_inquiry=is_inquiry)
        self.changed()
        return dispute

    def withdraw(self, dispute_id: str) -> None:
        """An inquiry has become a dispute."""
        account = next(account for account in self.accounts() if dispute_id in account.disputes)
        account.withdraw(account.disputes[dispute_id], self.now())
        self.changed()

    def close_dispute(self, dispute_id: str, *, is_won: bool) -> None:
        """The bank decides, for the business or against it."""
        account = next(account for account in self.accounts() if dispute_id in account.disputes)
        account.close_dispute(account.disputes[dispute_id], self.now(), is_won=is_won)
        self.changed()

    def _found(self, session_id: str) -> tuple[Account, Session]:
        for account in self.accounts():
            if session_id in account.sessions:
                return account, account.session(session_id, self.now())
        raise StripeRefusal(f"No such checkout.session: '{session_id}'", status=404, code="resource_missing")

    def _payable(self, session_id: str) -> tuple[Account, Session]:
        account, session = self._found(session_id)
        if session.status != "open":
            raise NotPayable(session.status)
        return account, session
