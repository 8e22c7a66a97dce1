"""The page of payments of which no order came: who, when, how much, what became of it and why."""

import re

from starlette.requests import Request
from starlette.responses import Response

from widget_server.domain.attempts import Attempt
from widget_server.domain.payments import AttemptState
from widget_server.web.admin.pages import page
from widget_server.web.admin.refunds import REFUND_STATES
from widget_server.web.admin.session import AtSite
from widget_server.web.context import use_cases

_WORDS = {
    AttemptState.OPENING: ("", "Being begun"),
    AttemptState.OPEN: ("", "Waiting for the customer"),
    AttemptState.OFFERING: ("warn", "Choosing another time"),
    AttemptState.RETURNING: ("warn", "Money on its way back"),
}


async def show_unfinished(request: Request, at: AtSite) -> Response:
    asked = re.fullmatch(r"\d{1,9}", request.query_params.get("before", ""), re.ASCII)
    found = await use_cases(request).unfinished_payments.without_order(at.site, before=int(asked[0]) if asked else None)
    return page(
        request,
        "unfinished",
        at.signed_in,
        site=at.site,
        rows=[(one, *_became(one.attempt)) for one in found.payments],
        refund_states=REFUND_STATES,
        has_older=found.has_older,
        is_further=asked is not None,
    )


def _became(attempt: Attempt) -> tuple[str, str]:
    """As a badge: how it looks, and what it says."""
    if attempt.state in _WORDS:
        return _WORDS[attempt.state]
    return ("good", "Paid back, or given up") if attempt.was_paid else ("", "Not paid")
