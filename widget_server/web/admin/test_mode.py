"""The only place where bookings made in test mode are cancelled together, once their site has been tried out."""

from starlette.requests import Request
from starlette.responses import Response

from widget_server.web.admin.pages import go
from widget_server.web.admin.session import AtSite
from widget_server.web.context import use_cases
from widget_server.web.forms import read_form_of


async def cancel_tests(request: Request, at: AtSite) -> Response:
    await read_form_of(request, at.signed_in.session)
    cancelled = await use_cases(request).dashboard.cancel_tests(at.site, operator_id=at.signed_in.operator.id)
    return go(f"{at.path}/settings?tests={cancelled}#tests-title")
