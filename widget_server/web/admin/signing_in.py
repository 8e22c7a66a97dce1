"""The doors: the first-run link, signing in and out, and a new password."""

from starlette.requests import Request
from starlette.responses import Response

from widget_server.errors import IdConflict, InvalidRequest, Refusal, SignInNeeded, TooLate, TooManyTries
from widget_server.use_cases.passwords import PASSWORD_LENGTH_MIN
from widget_server.use_cases.sites import SignedIn
from widget_server.web.admin.keeping import kept_of, show_door, show_once_more
from widget_server.web.admin.pages import go, page
from widget_server.web.admin.session import (
    HOME,
    SIGN_IN,
    find_session,
    forget,
    local_path,
    remember,
    session_of,
    welcome,
)
from widget_server.web.context import use_cases
from widget_server.web.forms import Form, read_form, read_form_of
from widget_server.web.guards import network_of


async def show_sign_in(request: Request) -> Response:
    wanted = request.query_params.get("next", "")
    if await find_session(request) is not None:
        return go(local_path(wanted))
    return show_door(request, Form({"next": wanted}), left=request.query_params.get("left") == "1")


async def sign_in(request: Request) -> Response:
    """On to what was asked for; where a form was kept over the sign-in, that is shown first, and not yet sent."""
    form = await read_form(request)
    sites = use_cases(request).sites
    try:
        session = await sites.sign_in(form.text("email"), form.secret("password"), network=network_of(request))
    except (SignInNeeded, TooManyTries) as refusal:
        form.refuse("password", refusal.message)
        return show_door(request, form, _status(refusal))
    await _leave(request)
    if (kept := kept_of(form)) is None:
        return welcome(request, session, form.text("next"))
    response = show_once_more(request, kept, session)
    remember(request, response, session)
    return response


async def show_setup(request: Request) -> Response:
    """Shows a form and changes nothing: programs that look at links in mails must not use them up."""
    return page(request, "setup", form=Form({}), length_min=PASSWORD_LENGTH_MIN)


async def set_up(request: Request) -> Response:
    form = await read_form(request)
    sites = use_cases(request).sites
    try:
        session = await sites.set_up(
            form.text("token"), form.text("email"), form.secret("password"), network=network_of(request)
        )
    except (InvalidRequest, IdConflict, TooLate, SignInNeeded, TooManyTries) as refusal:
        form.refuse(refusal.details.get("field", "token"), refusal.message)
        return page(request, "setup", status=_status(refusal), form=form, length_min=PASSWORD_LENGTH_MIN)
    await _leave(request)
    return welcome(request, session, HOME)


async def sign_out(request: Request, signed_in: SignedIn) -> Response:
    await read_form_of(request, signed_in.session)
    await _leave(request)
    response = go(f"{SIGN_IN}?left=1")
    forget(request, response)
    return response


async def show_password(request: Request, signed_in: SignedIn) -> Response:
    saved = request.query_params.get("saved") == "1"
    return page(request, "password", signed_in, form=Form({}), saved=saved, length_min=PASSWORD_LENGTH_MIN)


async def change_password(request: Request, signed_in: SignedIn) -> Response:
    form = await read_form_of(request, signed_in.session)
    try:
        session = await use_cases(request).sites.change_password(
            signed_in, form.secret("current"), form.secret("password"), network=network_of(request)
        )
    except (InvalidRequest, SignInNeeded, TooManyTries) as refusal:
        form.refuse(refusal.details.get("field", "current"), refusal.message)
        context = {"form": form, "saved": False, "length_min": PASSWORD_LENGTH_MIN}
        return page(request, "password", signed_in, _status(refusal), **context)
    return welcome(request, session, "/admin/password?saved=1")


async def _leave(request: Request) -> None:
    """A session in this browser ends before another begins."""
    session = session_of(request)
    if session is not None:
        await use_cases(request).sites.sign_out(session)


def _status(refusal: Refusal) -> int:
    """Forms with mistakes in them answer 422; too many tries say so to programs as well."""
    return refusal.status if isinstance(refusal, TooManyTries) else 422
