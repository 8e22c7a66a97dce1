"""Messages: what was sent to whom, what could not be, each exactly as it reads, and a preview of every kind."""

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from widget_server.domain.messages import KeptMessage, Kind, Mail, MessageState, Role
from widget_server.errors import NotFound, TooLate
from widget_server.use_cases.messages import LANGUAGES, READERS
from widget_server.web.admin.choices import Choice
from widget_server.web.admin.looking import read_text
from widget_server.web.admin.pages import go, page
from widget_server.web.admin.session import AtSite
from widget_server.web.context import use_cases
from widget_server.web.forms import read_form_of

STATES = {
    MessageState.WAITING: "Waiting",
    MessageState.SENT: "Sent",
    MessageState.KEPT: "Kept",
    MessageState.REFUSED: "Refused",
    MessageState.GIVEN_UP: "Given up",
    MessageState.DROPPED: "Not needed",
}
KINDS = {
    Kind.BOOKED: "Booking confirmed",
    Kind.NEW_ORDER: "New order received",
    Kind.ASSIGNED: "A booking to serve",
    Kind.UNASSIGNED: "Not to serve any more",
    Kind.MOVED: "Moved",
    Kind.CANCELLED: "Cancelled",
    Kind.WAITING_ALTERNATIVES: "Choose another time",
    Kind.MOVE_WITHDRAWN: "Asked no more",
    Kind.REMINDER: "Reminder",
    Kind.MY_BOOKINGS: "My bookings",
    Kind.PAID_TOO_LATE: "Paid too late: choose another time",
    Kind.PAYMENT_STUCK: "A payment waits for other keys",
    Kind.PAYMENT_RETURNED: "Payment returned",
    Kind.MOVE_RETURNED: "Not moved, and the payment returned",
    Kind.REFUNDED: "Money goes back",
    Kind.DISPUTED: "A payment is disputed",
    Kind.DISPUTE_WON: "A dispute is won",
    Kind.DISPUTE_LOST: "A dispute is lost",
}
ROLES = {
    Role.CUSTOMER: "to the customer",
    Role.OPERATOR: "to the owners",
    Role.STAFF: "to staff",
    Role.ATTENDEE: "to those who come",
}
MESSAGE_WORDS: dict[str, Any] = {"states": STATES, "kinds": KINDS, "roles": ROLES}
"""What a list of messages needs, on any page."""
_LANGUAGE_NAMES = {"en": "English", "ar": "Arabic", "de": "German", "es": "Spanish", "fr": "French"}
_BODY_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'self'",
}
"""A mail is shown as it is, and can do nothing: no script, no request, no form, no way out of its frame."""


async def list_messages(request: Request, at: AtSite) -> Response:
    asked = request.query_params
    text, state = read_text(asked.get("text", "")), asked.get("state", "")
    before = re.fullmatch(r"\d{1,9}", asked.get("before", ""), re.ASCII)
    wanted = MessageState(state) if state in set(MessageState) else None
    messages = use_cases(request).messages
    found = await messages.read(at.site, state=wanted, text=text, before=int(before[0]) if before else None)
    return page(
        request,
        "messages",
        at.signed_in,
        site=at.site,
        found=found,
        text=text,
        state=wanted or "",
        **MESSAGE_WORDS,
        has_mail_server=messages.has_mail_server,
        is_further=before is not None,
    )


async def show_message(request: Request, at: AtSite) -> Response:
    message = await _message(request, at)
    return page(
        request,
        "message",
        at.signed_in,
        site=at.site,
        message=message,
        **MESSAGE_WORDS,
        has_mail_server=use_cases(request).messages.has_mail_server,
        done=request.query_params.get("done", ""),
    )


async def show_body(request: Request, at: AtSite) -> Response:
    return _body(_mail_of(await _message(request, at)))


async def show_calendar(request: Request, at: AtSite) -> Response:
    calendar = _mail_of(await _message(request, at)).calendar
    if calendar is None:
        raise NotFound("This message has no calendar file.")
    headers = {"cache-control": "no-store", "content-disposition": 'attachment; filename="booking.ics"'}
    return Response(calendar, media_type="text/calendar", headers=headers)


async def send_again(request: Request, at: AtSite) -> Response:
    """A press of a page that is out of date changes nothing, and says so."""
    sendings, messages = await _seen(request, at), use_cases(request).messages
    message_id, operator_id = _id_of(request), at.signed_in.operator.id
    try:
        is_sent = await messages.send_again(at.site, message_id, sendings=sendings, operator_id=operator_id)
    except TooLate:
        return go(f"{at.path}/messages/{message_id}?done=over")
    return go(f"{at.path}/messages/{message_id}?done={'again' if is_sent else 'before'}")


async def came_back(request: Request, at: AtSite) -> Response:
    sendings, message_id = await _seen(request, at), _id_of(request)
    by = at.signed_in.operator.id
    is_told = await use_cases(request).messages.came_back(at.site, message_id, sendings=sendings, operator_id=by)
    return go(f"{at.path}/messages/{message_id}?done={'back' if is_told else 'told'}")


async def _seen(request: Request, at: AtSite) -> int:
    """How often it had been sent, as the page of the form has it."""
    seen = (await read_form_of(request, at.signed_in.session)).text("sendings")
    return int(seen) if re.fullmatch(r"\d{1,6}", seen, re.ASCII) else 0


async def show_preview(request: Request, at: AtSite) -> Response:
    kind, role, language = _wanted_sample(request, at)
    return page(
        request,
        "message_preview",
        at.signed_in,
        site=at.site,
        mail=use_cases(request).messages.sample(at.site, kind, role, language),
        chosen=f"{kind}.{role}",
        language=language,
        samples=[Choice(f"{one}.{reader}", f"{KINDS[one]}, {ROLES[reader]}") for one, reader in READERS],
        languages=[Choice(code, _LANGUAGE_NAMES[code]) for code in LANGUAGES],
    )


async def show_preview_body(request: Request, at: AtSite) -> Response:
    return _body(use_cases(request).messages.sample(at.site, *_wanted_sample(request, at)))


def _wanted_sample(request: Request, at: AtSite) -> tuple[Kind, Role, str]:
    """What makes no sense is the first of all, in the site's language."""
    asked = request.query_params
    kind, role = {f"{kind}.{role}": (kind, role) for kind, role in READERS}.get(asked.get("kind", ""), READERS[0])
    codes = (asked.get("language", ""), at.site.locale.partition("-")[0], LANGUAGES[0])
    return kind, role, next(code for code in codes if code in LANGUAGES)


def _id_of(request: Request) -> int:
    message_id: int = request.path_params["message"]
    return message_id


async def _message(request: Request, at: AtSite) -> KeptMessage:
    return await use_cases(request).messages.find(at.site, _id_of(request))


def _mail_of(message: KeptMessage) -> Mail:
    if message.mail is None:
        raise NotFound("This message is not written, or was erased.")
    return message.mail


def _body(mail: Mail) -> Response:
    return Response(mail.html, media_type="text/html", headers=_BODY_HEADERS)
