"""The only place that makes ids, secrets and their hashes."""

import base64
import hashlib
import hmac
import re
import secrets

ID_PATTERN = r"^[A-Za-z0-9_-]{22}$"
"""128 random bits in base64url, made by the browser: ids and secrets of holds, ids of visitors."""

KEY_PATTERN = r"^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$"
"""Site keys and service ids: what people read in a snippet."""

_NUMBER_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


def new_id() -> str:
    return secrets.token_urlsafe(16)


def is_id(text: str) -> bool:
    return re.fullmatch(ID_PATTERN, text) is not None


def is_key(text: str) -> bool:
    return re.fullmatch(KEY_PATTERN, text) is not None


def new_order_number() -> str:
    """Eight letters and digits that cannot be confused when read out, as ABCD-2345."""
    letters = "".join(secrets.choice(_NUMBER_LETTERS) for _ in range(8))
    return f"{letters[:4]}-{letters[4:]}"


def hash_secret(secret: str) -> str:
    """What is stored in place of a 128-bit secret. It needs no salt: the secret cannot be guessed."""
    return hashlib.sha256(secret.encode()).hexdigest()[:32]


def hash_address(address: str) -> str:
    """By what the bookings of an address are found, however it was typed. It hides nothing: addresses are guessed."""
    return hash_secret(address.lower())


def keyed(key: bytes, purpose: str, text: str) -> str:
    """A keyed 128-bit digest, in the form of an id: for secrets that must be the same on a retry."""
    return _base64url(hmac.digest(key, f"{purpose}\0{text}".encode(), "sha256")[:16])


class Keyed:
    """As `keyed`, for one purpose and where it has to be quick: HMAC takes three times as long for a text so short."""

    def __init__(self, key: bytes, purpose: str) -> None:
        self._key = hmac.digest(key, purpose.encode(), "sha256")

    def of(self, text: str) -> str:
        return _base64url(hashlib.blake2b(text.encode(), key=self._key, digest_size=16).digest())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
