"""The only place that speaks to Redis: one connection, on which all calls of one event-loop tick leave in one write.

redis-py costs several times as much a call as Redis itself, so the hot path packs and parses with hiredis and nothing
else. What is left to a library is redis-py's: reading URLs.
"""

import asyncio
import copy
import re
import ssl
from collections import deque
from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import urlsplit

import hiredis
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection, parse_url

from widget_server.errors import Fault

CONNECT_MAX_S = 1.0
LOOKS = 4
"""So often it is looked whether an answer has come, before patience is over."""
WAITING_MAX = 20_000
LEAVING_MAX = 32
"""So many calls do not wait for the end of a tick: Redis shall have something to do while we go on."""
LONG_BYTES = 3_072
"""A call so long, which gives Redis much to do, does not wait either, nor does what came before it."""

PORT = 6379
FORMS = ("redis://", "rediss://", "unix://", "redis+sentinel://", "redis+cluster://")
OPTIONS = {"db", "username", "password", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}
_FIELDS = {"connection_class", "host", "port", "path"}

Word = str | bytes | int
Reply = Any
"""What hiredis makes of an answer: str, int, None, a list of these, or a hiredis.ReplyError."""
LOST = ConnectionResetError("Redis hung up.")
"""Stands in place of the answers that a lost connection still owed."""
_NOTHING_YET = object()


def pack(*words: Word) -> bytes:
    return cast(bytes, hiredis.pack_command(words))  # type: ignore[arg-type]


def good(reply: Reply) -> Reply:
    """The answer, unless it is none. Raises ConnectionError when it was lost, hiredis.ReplyError."""
    if reply is LOST:
        raise ConnectionResetError(str(LOST))  # A new one: what is raised again and again keeps all its traces.
    if isinstance(reply, Exception):
        raise reply
    return reply


class Wire(asyncio.Protocol):
    """One connection. Answers come in the order of the calls; an error is one, too, and so is LOST (see `good`)."""

    def __init__(self, silence_max_s: float, *, peer: str = "") -> None:
        """Once Redis has owed an answer for so long, the connection is given up. `peer` says where it leads."""
        self.is_open = False
        self.peer = peer
        self._silence_max_s = silence_max_s
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(encoding="utf-8", errors="replace", notEnoughData=_NOTHING_YET)
        self._leaving: list[bytes] = []
        self._waiting: deque[asyncio.Future[Reply]] = deque()
        self._slowest: asyncio.Future[Reply] | None = None
        self._looks = 0
        self._transport: asyncio.Transport | None = None
        self._watch: asyncio.TimerHandle | None = None

    def send(self, packed: bytes) -> asyncio.Future[Reply]:
        """Leaves at the end of this tick at the latest, with other calls of it, in their order."""
        answer: asyncio.Future[Reply] = self._loop.create_future()
        if not self.is_open or len(self._waiting) >= WAITING_MAX:
            answer.set_result(LOST)
            return answer
        if not self._leaving:
            self._loop.call_soon(self._flush)
        self._leaving.append(packed)
        self._waiting.append(answer)
        if len(self._leaving) == LEAVING_MAX or len(packed) >= LONG_BYTES:
            self._flush()
        return answer

    def send_all(self, *calls: Sequence[Word]) -> list[asyncio.Future[Reply]]:
        return [self.send(pack(*call)) for call in calls]

    async def ask(self, *words: Word) -> Reply:
        """One call outside the hot path. Raises ConnectionError when the connection is lost, hiredis.ReplyError."""
        return good(await self.send(pack(*words)))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        self._end()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.is_open = True
        self._look_for_silence()

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            reply = self._reader.gets()
            while reply is not _NOTHING_YET:
                answer = self._waiting.popleft()
                if not answer.done():
                    answer.set_result(reply)
                reply = self._reader.gets()
        except (hiredis.ProtocolError, IndexError):
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()

    def _flush(self) -> None:
        if not self._leaving:
            return
        packed = b"".join(self._leaving)
        self._leaving.clear()
        if self.is_open and self._transport is not None:
            self._transport.write(packed)

    def _look_for_silence(self) -> None:
        """Looks are counted, not time: if this process stood still, the answer may be there and wait to be read."""
        slowest = self._waiting[0] if self._waiting else None
        self._looks = self._looks + 1 if slowest is not None and slowest is self._slowest else 0
        self._slowest = slowest
        if self._looks == LOOKS:
            self.close()
        else:
            self._watch = self._loop.call_later(self._silence_max_s / LOOKS, self._look_for_silence)

    def _end(self) -> None:
        self.is_open = False
        if self._watch is not None:
            self._watch.cancel()
        while self._waiting:
            answer = self._waiting.popleft()
            if not answer.done():
                answer.set_result(LOST)


class Address:
    """Where a Redis is and how to get in: a redis://, rediss:// or unix:// URL with user, password and database.

    Of redis-py's options those in OPTIONS are understood; certificates are always checked.
    """

    def __init__(self, url: str) -> None:
        """Raises Fault for anything that is no such URL."""
        parts = _parts(url)
        self._path: str | None = parts.get("path")
        self._host: str = parts.get("host") or "localhost"
        self._port: int = parts.get("port") or PORT
        self._db: int = parts.get("db") or 0
        self._login: list[Word] = [word for word in (parts.get("username"), parts.get("password")) if word]
        self._tls = _tls(parts) if parts["connection_class"] is SSLConnection else None

    @property
    def name(self) -> str:
        """Host and port, or the path of the socket; never the password."""
        return self._path or f"{self._host}:{self._port}"

    def at(self, host: str, port: int) -> "Address":
        """Another server, with the same way in."""
        other = copy.copy(self)
        other._path, other._host, other._port = None, host, port
        return other

    async def open(self, *first: Sequence[Word], silence_max_s: float) -> Wire:
        """A connection that is signed in and has made the `first` calls.

        Raises OSError when Redis cannot be reached, hiredis.ReplyError when it lets nobody in yet.
        """
        loop = asyncio.get_running_loop()
        wire = Wire(silence_max_s, peer=self.name)
        async with asyncio.timeout(CONNECT_MAX_S):
            if self._path is not None:
                await loop.create_unix_connection(lambda: wire, self._path)
            else:
                await loop.create_connection(lambda: wire, self._host, self._port, ssl=self._tls)
        try:
            for answer in wire.send_all(*self._greeting(), *first):
                good(await answer)
        except BaseException:
            wire.close()
            raise
        return wire

    async def close(self) -> None:
        """Nothing is kept here."""

    def _greeting(self) -> list[tuple[Word, ...]]:
        # Where a login is missing, Redis shall say so before it meets a script, which is too long for a stranger.
        login: list[tuple[Word, ...]] = [("AUTH", *self._login) if self._login else ("PING",)]
        return [*login, ("SELECT", self._db)] if self._db else login


def _parts(url: str) -> dict[str, Any]:
    try:
        parts: dict[str, Any] = {"connection_class": Connection, **parse_url(url)}
    except ValueError as problem:
        raise Fault(f"TENUTO_REDIS_URL makes no sense: use one of {', '.join(FORMS)}.") from problem
    if parts["connection_class"] is not UnixDomainSocketConnection and not re.fullmatch(r"/?\d*", urlsplit(url).path):
        raise Fault("TENUTO_REDIS_URL makes no sense: a database of Redis has a number.")
    if unknown := parts.keys() - _FIELDS - OPTIONS:
        raise Fault(f"TENUTO_REDIS_URL has an option that nobody knows: {min(unknown)}.")
    return parts


def _tls(parts: dict[str, Any]) -> ssl.SSLContext:
    try:
        tls = ssl.create_default_context(cafile=parts.get("ssl_ca_certs"))
        if "ssl_certfile" in parts:
            tls.load_cert_chain(parts["ssl_certfile"], parts.get("ssl_keyfile"))
    except OSError as problem:
        raise Fault("TENUTO_REDIS_URL names a certificate or a key that cannot be read.") from problem
    return tls
