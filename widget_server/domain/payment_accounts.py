"""The only place that says what a site's account at Stripe is, and how the keys that somebody enters must look."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

SECRET_LENGTH_MAX = 255
_SHOWN = 4
_SECRET_KEY = re.compile(r"((?:sk|rk)_(?:live|test)_)\w{8,}", re.ASCII)
_WEBHOOK_SECRET = re.compile(r"(whsec_)[\w+/=-]{8,}", re.ASCII)


class AccountState(StrEnum):
    UNCHECKED = "unchecked"
    """Stripe was away when they were entered: nobody knows yet."""
    ACCEPTED = "accepted"
    REFUSED = "refused"
    """They were good once, or never checked, and Stripe does not take them any more."""


@dataclass(frozen=True, slots=True)
class KeptAccount:
    """What may be shown of an account: never its keys."""

    is_test: bool
    key_shown: str
    """How the secret key begins and ends: `sk_test_…4242`."""
    webhook_shown: str | None
    """Likewise; None until there is a webhook at Stripe."""
    name: str
    """Of the business, as Stripe knows it; empty until Stripe has said."""
    state: AccountState
    checked_at: datetime | None
    entered_at: datetime
    webhook_entered_at: datetime | None
    removed_at: datetime | None
    """Nothing new is paid with it since then; what is under way still is."""
    is_readable: bool
    """False: sealed under another server's key than the one of today."""

    @property
    def takes_payments(self) -> bool:
        return self.is_readable and self.removed_at is None and self.state is not AccountState.REFUSED


def what_is_wrong_with_key(typed: str, *, is_test: bool) -> str | None:
    """In one sentence that says what to do; None where it is a secret key of this mode."""
    wanted, other = ("test", "live") if is_test else ("live", "test")
    if len(typed) > SECRET_LENGTH_MAX:
        return "This is too long for a secret key: copy only the key itself."
    if typed.startswith("pk_"):
        return "This is the publishable key, which everybody may know. Copy the secret key, just below it at Stripe."
    if typed.startswith("whsec_"):
        return "This is the signing secret of a webhook: it belongs in the field below."
    if typed.startswith((f"sk_{other}_", f"rk_{other}_")):
        return f"This is a {other} key, and here belongs a {wanted} key: enter it under “{other.capitalize()} keys”."
    if not _SECRET_KEY.fullmatch(typed):
        return f"A secret key begins with sk_{wanted}_ or rk_{wanted}_ and has no spaces: copy all of it."
    return None


def what_is_wrong_with_webhook_secret(typed: str) -> str | None:
    """As of a key. Those of live and test look alike."""
    if typed.startswith(("sk_", "rk_", "pk_")):
        return (
            "This is a key: it belongs in the field above. The signing secret is on the webhook's own page at Stripe."
        )
    if len(typed) > SECRET_LENGTH_MAX or not _WEBHOOK_SECRET.fullmatch(typed):
        return "A signing secret begins with whsec_ and has no spaces: copy all of it."
    return None


def shown(secret: str) -> str:
    """Its kind, which is no secret, and its last letters."""
    found = _SECRET_KEY.fullmatch(secret) or _WEBHOOK_SECRET.fullmatch(secret)
    assert found is not None, "looked at before"
    return f"{found[1]}…{secret[-_SHOWN:]}"
