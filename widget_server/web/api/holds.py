"""Holds: take, look at, renew, change, give back."""

from starlette.requests import Request
from starlette.responses import Response

from widget_server.errors import NotFound
from widget_server.ids import hash_secret, is_id
from widget_server.use_cases.bookings import Bookings, HoldRef, Visit
from widget_server.web.api.answers import parsed, raw_body, read, reply
from widget_server.web.bodies import HoldAnswer
from widget_server.web.context import use_cases
from widget_server.web.guards import bearer_secret, network_of
from widget_server.web.taken import HoldPatch, NewHold


async def create_hold(request: Request) -> Response:
    secret, network = bearer_secret(request), network_of(request)
    body, bookings = await raw_body(request), use_cases(request).bookings
    return reply(await take_hold(bookings, request.path_params["site"], secret, network, body), 201)


async def take_hold(bookings: Bookings, site_key: str, secret: str, network: str, body: bytes) -> bytes:
    """The JSON that grants it. Raises Refusal."""
    wanted = parsed(body, NewHold)
    ref = HoldRef(site_key, wanted.id, hash_secret(secret))
    hold = await bookings.hold(ref, [line.line() for line in wanted.lines], Visit(wanted.visitor, network))
    return HoldAnswer.json_of(hold)


async def show_hold(request: Request) -> Response:
    return reply(HoldAnswer.json_of(await use_cases(request).bookings.find_hold(hold_ref(request))))


async def change_hold(request: Request) -> Response:
    ref, wanted = hold_ref(request), await read(request, HoldPatch)
    bookings, lines = use_cases(request).bookings, [line.line() for line in wanted.lines]
    if lines:
        hold = await bookings.change(ref, lines, version=wanted.version)
    else:
        hold = await bookings.renew(ref, version=wanted.version)
    return reply(HoldAnswer.json_of(hold))


async def release_hold(request: Request) -> Response:
    await use_cases(request).bookings.release(hold_ref(request))
    return Response(status_code=204)


def hold_ref(request: Request) -> HoldRef:
    """Whose hold this request is about. Raises NotFound, SignInNeeded."""
    hold_id = request.path_params["id"]
    if not is_id(hold_id):
        raise NotFound("There is no such hold.")
    return HoldRef(request.path_params["site"], hold_id, hash_secret(bearer_secret(request)))
