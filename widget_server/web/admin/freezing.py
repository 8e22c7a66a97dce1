"""One click that closes a time to everybody new, or opens it again, from wherever an operator sees that time."""

from starlette.requests import Request
from starlette.responses import Response

from widget_server.domain.schedule import Schedule
from widget_server.domain.slots import Slot
from widget_server.errors import InvalidRequest, TooLate
from widget_server.web.admin.meetings import slot_of
from widget_server.web.admin.pages import go
from widget_server.web.admin.session import AtSite
from widget_server.web.context import use_cases
from widget_server.web.forms import read_form_of

FROZEN_SHOWN = 20
DONE = ("frozen", "unfrozen", "begun")
"""What the page that one comes back to says of a time."""


async def freeze(request: Request, at: AtSite) -> Response:
    form, slot = await read_form_of(request, at.signed_in.session), slot_of(request)
    wanted, freezing = form.text("frozen"), use_cases(request).freezing
    if wanted not in ("yes", "no"):
        raise InvalidRequest("This form is not whole. Please open it again.")
    is_frozen, done = wanted == "yes", "frozen" if wanted == "yes" else "unfrozen"
    try:
        await freezing.freeze(at.site, at.schedule, slot, is_frozen=is_frozen, operator_id=at.signed_in.operator.id)
    except TooLate:
        done = "begun"
    if form.text("back") == "live":
        return go(f"{at.path}/live?done={done}&slot={slot.id}")
    return go(f"{at.path}/meetings/{slot.id}?done={done}")


def frozen_soon(schedule: Schedule, request: Request) -> list[Slot]:
    """The first of those that have not begun, and one more where there are more."""
    now = use_cases(request).dashboard.now()
    slots = [rule.slot for rule in schedule.slot_rules if rule.is_closed and rule.slot.starts_at > now]
    return sorted(slots, key=lambda slot: (slot.starts_at, slot.service))[: FROZEN_SHOWN + 1]


def done_with(request: Request) -> tuple[str, Slot | None]:
    """What has just been done to which time, by the page's address."""
    asked = request.query_params
    done = asked.get("done", "") if asked.get("done") in DONE else ""
    try:
        return done, Slot.parse(asked.get("slot", "")) if done else None
    except ValueError:
        return "", None
