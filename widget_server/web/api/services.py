"""What a site offers."""

from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from widget_server.use_cases.catalog import Listing
from widget_server.web.api.answers import reply
from widget_server.web.bodies import ServiceBody, ServicesAnswer, SiteBody
from widget_server.web.context import use_cases


async def list_services(request: Request) -> Response:
    listing = await use_cases(request).catalog.find(request.path_params["site"])
    return reply(services_answer(listing, use_cases(request).bookings.now()))


def services_answer(listing: Listing, now: datetime) -> ServicesAnswer:
    services = tuple(ServiceBody.of(service) for service in listing.schedule.services.values() if service.is_offered)
    site = SiteBody.of(listing.site, now, takes_payments=listing.schedule.takes_payments)
    return ServicesAnswer(site=site, services=services)
