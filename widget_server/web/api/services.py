"""What a site offers."""

from starlette.requests import Request
from starlette.responses import Response

from widget_server.use_cases.catalog import Listing
from widget_server.web.api.answers import reply
from widget_server.web.context import use_cases
from widget_server.web.offers import ServiceBody, ServicesAnswer, SiteBody


async def list_services(request: Request) -> Response:
    return reply(services_answer(request, await use_cases(request).catalog.find(request.path_params["site"])))


def services_answer(request: Request, listing: Listing) -> ServicesAnswer:
    services = tuple(ServiceBody.of(service) for service in listing.schedule.services.values() if service.is_offered)
    sends_mails = use_cases(request).messages.has_mail_server
    site = SiteBody.of(
        listing.site,
        use_cases(request).bookings.now(),
        takes_payments=listing.schedule.takes_payments,
        sends_mails=sends_mails,
    )
    return ServicesAnswer(site=site, services=services)
