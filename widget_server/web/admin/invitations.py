"""Where invitations are accepted: with the link alone by whoever is signed in, else with a password, old or new."""

from starlette.requests import Request
from starlette.responses import Response

from widget_server.errors import IdConflict, InvalidRequest, NotYours, Refusal, SignInNeeded, TooLate, TooManyTries
from widget_server.use_cases.passwords import PASSWORD_LENGTH_MIN
from widget_server.web.admin.pages import page
from widget_server.web.admin.session import HOME, find_session, welcome
from widget_server.web.context import use_cases
from widget_server.web.forms import Form, read_form
from widget_server.web.guards import network_of


async def show_invitation(request: Request) -> Response:
    """Shows a form and changes nothing: programs that look at links in mails must not use them up."""
    return page(request, "invitation", form=Form({}), opened=None)


async def open_invitation(request: Request) -> Response:
    """Says what it invites to, and changes nothing either."""
    return await _show(request, await read_form(request))


async def accept_invitation(request: Request) -> Response:
    form, signed_in = await read_form(request), await find_session(request)
    try:
        accepted = await use_cases(request).people.accept(
            form.text("token"), form.secret("password"), signed_in, network=network_of(request)
        )
    except (TooLate, NotYours) as refusal:
        return _refused(request, form, refusal)
    except (InvalidRequest, IdConflict, SignInNeeded, TooManyTries) as refusal:
        form.refuse(refusal.details.get("field", "password"), refusal.message)
        return await _show(request, form, _status(refusal))
    return welcome(request, accepted.session, f"{HOME}/sites/{accepted.site_key}")


async def _show(request: Request, form: Form, status: int = 200) -> Response:
    signed_in = await find_session(request)
    try:
        opened = await use_cases(request).people.open(form.text("token"), signed_in, network=network_of(request))
    except (TooLate, NotYours, TooManyTries) as refusal:
        return _refused(request, form, refusal)
    asks = "nothing" if signed_in and not opened.chooses_password else "new" if opened.chooses_password else "present"
    return page(
        request, "invitation", status=status, form=form, opened=opened, asks=asks, length_min=PASSWORD_LENGTH_MIN
    )


def _refused(request: Request, form: Form, refusal: Refusal) -> Response:
    form.refuse("token", refusal.message)
    return page(request, "invitation", status=_status(refusal), form=form, opened=None)


def _status(refusal: Refusal) -> int:
    """As at the other doors."""
    return refusal.status if isinstance(refusal, TooManyTries) else 422
