"""The only place that turns request bodies into models, and models and refusals into JSON answers."""

from datetime import datetime
from typing import TypeVar

import structlog
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from widget_server.clock import iso
from widget_server.errors import InvalidRequest, Refusal, TooLarge
from widget_server.web.bodies import error

BODY_BYTES_MAX = 16_384
ANSWERED_BYTES_MAX = 131_072
"""Of bodies with answers to what a service asks: all that may be written for a line, in letters of four bytes."""
WENT_WRONG = "Something went wrong on our side. Please try again."
_FIELDS_NAMED_MAX = 20
_NEVER_STORED = {"cache-control": "no-store"}

_log = structlog.get_logger()
Model = TypeVar("Model", bound=BaseModel)


async def read(request: Request, model: type[Model], bytes_max: int = BODY_BYTES_MAX) -> Model:
    """The body as `model`. Raises TooLarge; InvalidRequest naming what is wrong, without repeating what was sent."""
    return parsed(await raw_body(request, bytes_max), model)


async def read_if_any(request: Request, model: type[Model]) -> Model:
    """Likewise; no body at all is an empty one."""
    return parsed(await raw_body(request) or b"{}", model)


def parsed(body: bytes, model: type[Model]) -> Model:
    """Raises InvalidRequest as `read` does."""
    try:
        return model.model_validate_json(body)
    except ValidationError as problem:
        fields = [
            {"field": ".".join(str(part) for part in found["loc"]) or "body", "problem": found["msg"]}
            for found in problem.errors(include_url=False, include_input=False, include_context=False)
        ]
        first = f"{fields[0]['field']}: {fields[0]['problem']}"
        raise InvalidRequest(first, fields=fields[:_FIELDS_NAMED_MAX]) from problem


def reply(body: BaseModel | bytes, status_code: int = 200) -> Response:
    """With a model, or with JSON that was written already."""
    content = body if isinstance(body, bytes) else body.model_dump_json()
    return Response(content, status_code, _NEVER_STORED, "application/json")


def refuse(refusal: Refusal) -> Response:
    headers = dict(_NEVER_STORED)
    if refusal.retry_after_s is not None:
        headers["retry-after"] = str(refusal.retry_after_s)
    if refusal.status == 401:
        headers["www-authenticate"] = "Bearer"
    if refusal.status == 408:
        headers["connection"] = "close"  # what may still come is the rest of a body, and no request
    details = {name: iso(it) if isinstance(it, datetime) else it for name, it in refusal.details.items()}
    return JSONResponse(error(refusal.code, refusal.message, **details), refusal.status, headers)


def fail(request: Request, problem: Exception) -> Response:
    """A fault of ours. The visitor only learns that trying again may help."""
    note_fault(request, problem)
    return JSONResponse(error("failed", WENT_WRONG), 500, _NEVER_STORED)


def note_fault(request: Request, problem: Exception) -> None:
    """The log has the trace."""
    _log.error("request_failed", method=request.method, route=_route_of(request), exc_info=problem)


async def raw_body(request: Request, bytes_max: int = BODY_BYTES_MAX) -> bytes:
    """As it was sent. Whoever sends it too slowly is cut off by connections.py, so there is no clock here.

    Raises TooLarge; InvalidRequest for one cut off.
    """
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > bytes_max:
                raise TooLarge(f"A body may have up to {bytes_max} bytes.")
    except ClientDisconnect as gone:
        raise InvalidRequest("The body was cut off.") from gone
    return bytes(body)


def _route_of(request: Request) -> str:
    """The function of the route, not the path: ids stay out of logs."""
    endpoint = request.scope.get("endpoint")
    return getattr(endpoint, "__name__", "unknown")
