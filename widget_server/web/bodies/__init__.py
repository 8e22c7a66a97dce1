"""The only place for how /v1 answers, file by file: here what is held, and what is refused."""

from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict

from widget_server.clock import iso
from widget_server.domain.holds import Hold
from widget_server.web.shapes import Body, Instant, LineBody

_told = lru_cache(64)(iso)
"""Of all that is granted in the same millisecond, most tells the same instants."""


class HoldBody(Body):
    id: str
    state: str
    lines: tuple[LineBody, ...]
    expires_at: Instant
    limit_at: Instant
    version: int


class HoldAnswer(Body):
    hold: HoldBody
    server_now: Instant

    @staticmethod
    def json_of(hold: Hold) -> bytes:
        """Written past the models: this is the hot path, and ids, states and instants have nothing to be escaped."""
        lines = ",".join([f'{{"slot":"{line.slot.id}","seats":{line.seats}}}' for line in hold.lines])
        until = f'"expires_at":"{_told(hold.expires_at)}","limit_at":"{_told(hold.limit_at)}"'
        body = f'{{"id":"{hold.id}","state":"{hold.state}","lines":[{lines}],{until},"version":{hold.version}}}'
        return f'{{"hold":{body},"server_now":"{_told(hold.now)}"}}'.encode()


class ErrorBody(BaseModel):
    model_config = ConfigDict(extra="allow")
    code: str
    message: str


class ErrorAnswer(Body):
    error: ErrorBody


def error(code: str, message: str, **details: Any) -> dict[str, Any]:
    """The one shape of every error under /v1."""
    return {"error": {"code": code, "message": message, **details}}
