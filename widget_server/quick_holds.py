"""The only place that answers past the web framework: taking a hold, when a whole town wants the same seats.

A request that is nothing but a hold, with a small body of known length, waits here until it is whole and is answered
in one write. Whatever is out of the ordinary goes the ordinary way; the same functions decide on both.
"""

import asyncio
import re

from starlette.requests import Request
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from widget_server.errors import Refusal
from widget_server.web.api.answers import BODY_BYTES_MAX, fail, refuse, reply
from widget_server.web.api.holds import create_hold, take_hold
from widget_server.web.guards import network_in, secret_in
from widget_server.web.headers import EVERYWHERE

_PATH = re.compile(rb"/v1/sites/([a-z0-9-]{1,64})/holds")
_LENGTH = re.compile(rb"\d{1,5}")


class QuickHold(RequestResponseCycle):
    """One such request. The protocol takes it for any other: it has all that is looked at from there."""

    response_started = response_complete = disconnected = False
    more_body = True
    message_event = asyncio.Event()
    """For nobody: the body is not awaited."""

    def __init__(self, protocol: HttpToolsProtocol, site_key: str) -> None:
        self.body = bytearray()
        self.keep_alive = protocol.parser.get_http_version() != "1.0" and protocol.parser.should_keep_alive()
        self._protocol = protocol
        self._headers = protocol.headers
        self._site_key = site_key

    def begin(self) -> None:
        """The body is there."""
        self._task = self._protocol.loop.create_task(self._answer(), name="hold")
        self._protocol.tasks.add(self._task)

    async def _answer(self) -> None:
        try:
            self._write(await self._answered())
        except asyncio.CancelledError:  # the server ends, and waits no longer
            self._protocol.transport.close()
            raise
        finally:
            self._protocol.tasks.discard(self._task)

    async def _answered(self) -> bytes:
        client, state = self._protocol.client, self._protocol.app_state
        try:
            secret = secret_in(self._headers)
            network = network_in(self._headers, client[0] if client else "", state["trusted_proxies"])
            body = await take_hold(state["use_cases"].bookings, self._site_key, secret, network, bytes(self.body))
        except Refusal as refusal:
            return written(refuse(refusal))
        except Exception as problem:
            return written(fail(Request({"type": "http", "method": "POST", "endpoint": create_hold}), problem))
        return b"%bcontent-length: %d\r\n\r\n%b" % (_GRANTED, len(body), body)

    def _write(self, answer: bytes) -> None:
        if self.disconnected or self._protocol.transport.is_closing():
            return  # the first is only told to whoever was read last
        status, _, rest = answer.partition(b"\r\n")
        usual = [b"%b: %b" % header for header in self._protocol.server_state.default_headers]
        last = [] if self.keep_alive else [b"connection: close"]
        self._protocol.transport.write(b"\r\n".join([status, *usual, *last, rest]))
        self.response_started = self.response_complete = True
        if not self.keep_alive:
            self._protocol.transport.close()
        self._protocol.on_response_complete()


def read(protocol: HttpToolsProtocol) -> QuickHold | None:
    """What a head asks for, if it is a hold; None for all that is to go the ordinary way."""
    asked = _PATH.fullmatch(protocol.url)
    if asked is None or protocol.parser.get_method() != b"POST" or not _is_plain(protocol):
        return None
    if "use_cases" not in protocol.app_state:  # an application that was begun without us, as in tests
        return None
    return QuickHold(protocol, asked[1].decode())


def written(response: Response) -> bytes:
    """As it is sent, but for what the server itself says in every head."""
    return _head(response, *response.raw_headers) + b"\r\n" + bytes(response.body)


def _is_plain(protocol: HttpToolsProtocol) -> bool:
    """Whether it can be answered at once, awaits no word from us to go on, and tells the length of a small body."""
    before, most = protocol.cycle, protocol.limit_concurrency
    is_next = (before is None or before.response_complete) and not protocol.flow.write_paused
    has_room = most is None or (len(protocol.connections) < most and len(protocol.tasks) < most)
    if not is_next or not has_room or protocol.expect_100_continue or protocol.parser.should_upgrade():
        return False
    length = next((value for name, value in protocol.headers if name == b"content-length"), b"")
    return _LENGTH.fullmatch(length) is not None and int(length) <= BODY_BYTES_MAX


def _head(response: Response, *headers: tuple[bytes, bytes]) -> bytes:
    return STATUS_LINE[response.status_code] + b"".join(b"%b: %b\r\n" % header for header in (*headers, *EVERYWHERE))


_GRANTED_ANSWER = reply(b"", 201)
_GRANTED = _head(_GRANTED_ANSWER, *(each for each in _GRANTED_ANSWER.raw_headers if each[0] != b"content-length"))
