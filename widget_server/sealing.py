"""The only place that encrypts: secrets of others that we must be able to use, and never show."""

import base64
import secrets
from binascii import Error

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_KEY_BYTES, _NAME_BYTES, _NONCE_BYTES = 32, 16, 12
"""Of AES-256 in GCM. With a nonce by chance a key is good for billions of secrets."""


class Seal:
    """Made of the server's key: whoever has the database without that key has nothing."""

    def __init__(self, server_key: bytes) -> None:
        self._cipher = AESGCM(_derived(server_key, "the key of sealed secrets", _KEY_BYTES))
        self.name = _derived(server_key, "the name of the seal", _NAME_BYTES).hex()
        """Another one for another server's key, of which it says nothing: tells which of them has sealed something."""

    def close(self, secret: str, *, place: str) -> str:
        """Opens only for the same `place`, such as a row and a column: copied to another, it is worth nothing."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, secret.encode(), place.encode())).decode()

    def open(self, sealed: str, *, place: str) -> str | None:
        """None for what was sealed under another key or for another place, or was changed since."""
        try:
            raw = base64.b64decode(sealed, validate=True)
            return self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], place.encode()).decode()
        except (Error, InvalidTag, ValueError):
            return None


def _derived(server_key: bytes, purpose: str, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=f"tenuto: {purpose}".encode()).derive(server_key)
