"""The only place that describes /v1 for machines: OpenAPI 3.1 made from the bodies, so that it cannot drift."""

from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from widget_server import __version__
from widget_server.web.bodies import ErrorAnswer, HoldAnswer
from widget_server.web.bodies.coupons import QuoteAnswer
from widget_server.web.bodies.my_bookings import LinkAnswer, MyBookingsAnswer
from widget_server.web.bodies.orders import CheckoutAnswer, ConfirmationAnswer, OrderAnswer
from widget_server.web.bodies.receipts import ReceiptAnswer
from widget_server.web.offers import AvailabilityAnswer, NextAnswer, ServicesAnswer
from widget_server.web.taken import (
    Cancellation,
    HoldPatch,
    NewCheckout,
    NewChoice,
    NewConfirmation,
    NewHold,
    NewLinkBody,
    NewQuote,
    NewReschedule,
)

_SITE = "/v1/sites/{site}"
_REF = "#/components/schemas/"


async def openapi(request: Request) -> Response:
    return JSONResponse(document())


@cache
def document() -> dict[str, Any]:
    models: list[type[BaseModel]] = [
        AvailabilityAnswer,
        Cancellation,
        CheckoutAnswer,
        ConfirmationAnswer,
        ErrorAnswer,
        HoldAnswer,
        HoldPatch,
        LinkAnswer,
        MyBookingsAnswer,
        NewCheckout,
        NewConfirmation,
        NewHold,
        NewLinkBody,
        NewQuote,
        NewReschedule,
        NextAnswer,
        OrderAnswer,
        QuoteAnswer,
        ReceiptAnswer,
        ServicesAnswer,
    ]
    _, schemas = models_json_schema([(model, "validation") for model in models], ref_template=f"{_REF}{{model}}")
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tenuto", "version": __version__, "summary": "Seats held live, never sold twice."},
        "paths": _paths(),
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"secret": {"type": "http", "scheme": "bearer"}},
        },
    }


def _paths() -> dict[str, Any]:
    hold, order = _path_id("The hold's id, made by the browser."), _path_id("The order's id.")
    return {
        f"{_SITE}/services": {"get": _operation("What the site offers", ServicesAnswer, [_site()])},
        f"{_SITE}/services/{{service}}/availability": {
            "get": _operation(
                "Slots of some days with their seats", AvailabilityAnswer, [_site(), _service(), *_range()]
            )
        },
        f"{_SITE}/services/{{service}}/next": {
            "get": _operation("The next day with something to book", NextAnswer, [_site(), _service(), _from()])
        },
        f"{_SITE}/feed": {"get": _feed()},
        f"{_SITE}/quotes": {"post": _operation("What it costs with a coupon", QuoteAnswer, [_site()], body=NewQuote)},
        f"{_SITE}/holds": {
            "post": _operation("Hold seats", HoldAnswer, [_site()], body=NewHold, status="201", secret=True)
        },
        f"{_SITE}/holds/{{id}}": {
            "get": _operation("Look at a hold", HoldAnswer, [_site(), hold], secret=True),
            "patch": _operation(
                "Renew a hold, or change its lines", HoldAnswer, [_site(), hold], body=HoldPatch, secret=True
            ),
            "delete": _operation("Give a hold back", None, [_site(), hold], status="204", secret=True),
        },
        f"{_SITE}/holds/{{id}}/confirmation": {
            "post": _operation(
                "Make a hold a booking",
                ConfirmationAnswer,
                [_site(), hold],
                body=NewConfirmation,
                status="201",
                secret=True,
            )
        },
        f"{_SITE}/holds/{{id}}/checkout": {
            "post": _operation(
                "Begin to pay for a hold", CheckoutAnswer, [_site(), hold], body=NewCheckout, status="201", secret=True
            ),
            "get": _operation("How a payment stands", CheckoutAnswer, [_site(), hold], secret=True),
            "delete": _operation("Go back without paying", HoldAnswer, [_site(), hold], secret=True),
        },
        f"{_SITE}/orders/{{id}}/payment": {
            "post": _operation("Have it asked whether an order is paid", OrderAnswer, [_site(), order], secret=True)
        },
        f"{_SITE}/orders/{{id}}/return": {
            "post": _operation("Come back from the pay page", CheckoutAnswer, [_site(), order], secret=True)
        },
        f"{_SITE}/orders/{{id}}/choice": {
            "post": _operation(
                "Choose what is held for whoever has paid too late",
                OrderAnswer,
                [_site(), order],
                body=NewChoice,
                secret=True,
            )
        },
        f"{_SITE}/orders/{{id}}": {"get": _operation("Look at an order", OrderAnswer, [_site(), order], secret=True)},
        f"{_SITE}/orders/{{id}}/receipt": {
            "get": _operation("What to print of an order that was sold", ReceiptAnswer, [_site(), order], secret=True)
        },
        f"{_SITE}/orders/{{id}}/calendar.ics": {"get": _calendar([_site(), order])},
        f"{_SITE}/orders/{{id}}/cancellation": {
            "post": _operation(
                "Cancel an order, or one of its bookings",
                OrderAnswer,
                [_site(), order],
                body=Cancellation,
                needs_body=False,
                secret=True,
            )
        },
        f"{_SITE}/orders/{{id}}/reschedule": {
            "post": _operation(
                "Move an order to other slots", OrderAnswer, [_site(), order], body=NewReschedule, secret=True
            ),
            "delete": _operation("Give up a move that is to be paid", OrderAnswer, [_site(), order], secret=True),
        },
        f"{_SITE}/my-bookings": {
            "get": _operation(
                "All bookings of a customer",
                MyBookingsAnswer,
                [_site(), _query("after", {"type": "string", "maxLength": 20}, required=False)],
                secret=True,
            )
        },
        f"{_SITE}/my-bookings/links": {
            "post": _operation("Send a link to them", LinkAnswer, [_site()], body=NewLinkBody, status="202")
        },
    }


def _operation(
    summary: str,
    answer: type[BaseModel] | None,
    parameters: list[dict[str, Any]],
    *,
    body: type[BaseModel] | None = None,
    needs_body: bool = True,
    status: str = "200",
    secret: bool = False,
) -> dict[str, Any]:
    success: dict[str, Any] = {"description": summary}
    if answer is not None:
        success["content"] = _json(answer)
    operation: dict[str, Any] = {
        "summary": summary,
        "parameters": parameters,
        "responses": {status: success, "default": {"description": "A refusal", "content": _json(ErrorAnswer)}},
    }
    if body is not None:
        operation["requestBody"] = {"required": needs_body, "content": _json(body)}
    if secret:
        operation["security"] = [{"secret": []}]
    return operation


def _feed() -> dict[str, Any]:
    parameters = [_site(), _query("last_event_id", {"type": "string", "maxLength": 64}, required=False)]
    stream = {"description": "Server-sent events, see docs/api.md", "content": {"text/event-stream": {}}}
    refusal = {"description": "A refusal", "content": _json(ErrorAnswer)}
    return {
        "summary": "Every change, pushed",
        "parameters": parameters,
        "responses": {"200": stream, "default": refusal},
    }


def _calendar(parameters: list[dict[str, Any]]) -> dict[str, Any]:
    operation = _operation("The bookings of an order as a calendar file", None, parameters, secret=True)
    operation["responses"]["200"]["content"] = {"text/calendar": {"schema": {"type": "string"}}}
    return operation


def _json(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"{_REF}{model.__name__}"}}}


def _site() -> dict[str, Any]:
    return {"name": "site", "in": "path", "required": True, "schema": {"type": "string"}, "description": "Site key."}


def _service() -> dict[str, Any]:
    return {"name": "service", "in": "path", "required": True, "schema": {"type": "string"}}


def _path_id(description: str) -> dict[str, Any]:
    schema = {"type": "string", "pattern": "^[A-Za-z0-9_-]{22}$"}
    return {"name": "id", "in": "path", "required": True, "schema": schema, "description": description}


def _range() -> list[dict[str, Any]]:
    return [_from(), _query("to", {"type": "string", "format": "date"})]


def _from() -> dict[str, Any]:
    return _query("from", {"type": "string", "format": "date"})


def _query(name: str, schema: dict[str, Any], *, required: bool = True) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": required, "schema": schema}
