"""The only place that turns request bodies into models, and models and refusals into JSON answers."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from widget_server.errors import InvalidRequest, Refusal
from widget_server.web.bodies import error

_NEVER_STORED = {"cache-control": "no-store"}

Model = TypeVar("Model", bound=BaseModel)


async def read(request: Request, model: type[Model]) -> Model:
    """The body as `model`. Raises InvalidRequest naming each field that is wrong, without repeating what was sent."""
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as problem:
        fields = [
            {"field": ".".join(str(part) for part in found["loc"]) or "body", "problem": found["msg"]}
            for found in problem.errors(include_url=False, include_input=False, include_context=False)
        ]
        raise InvalidRequest(f"{fields[0]['field']}: {fields[0]['problem']}", fields=fields[:20]) from problem


def reply(body: BaseModel, status_code: int = 200) -> Response:
    return Response(body.model_dump_json(), status_code, _NEVER_STORED, "application/json")


def refuse(refusal: Refusal) -> Response:
    headers = dict(_NEVER_STORED)
    if refusal.retry_after_s is not None:
        headers["retry-after"] = str(refusal.retry_after_s)
    if refusal.status == 401:
        headers["www-authenticate"] = "Bearer"
    return JSONResponse(error(refusal.code, refusal.message, **refusal.details), refusal.status, headers)
