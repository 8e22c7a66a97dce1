"""The page that leads a new site to its first booking, step by step."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from widget_server.domain.schedule import Schedule
from widget_server.web.admin.pages import page
from widget_server.web.admin.session import AtSite
from widget_server.web.admin.settings import snippet
from widget_server.web.context import base_url, use_cases


@dataclass(frozen=True, slots=True)
class Step:
    title: str
    text: str
    path: str
    action: str
    is_done: bool
    has_snippet: bool = False


async def show_start(request: Request, at: AtSite) -> Response:
    seen = await use_cases(request).sightings.of(at.site)
    steps = _steps(at, seen_on=seen.origin if seen else "")
    return page(
        request,
        "start",
        at.signed_in,
        site=at.site,
        steps=steps,
        following=next((number for number, step in enumerate(steps) if not step.is_done), None),
        seen=seen,
        seen_at=f"{seen.seen_at.astimezone(at.site.zone):%d %b %Y, %H:%M}" if seen else "",
        snippet=snippet(base_url(request), at.site.key),
    )


def _steps(at: AtSite, *, seen_on: str) -> list[Step]:
    schedule = at.schedule
    is_priced = any(not service.price.is_free for service in schedule.services.values())
    has_times = {opening.service for opening in schedule.openings}
    first = next((key for key in schedule.services if key not in has_times), next(iter(schedule.services), None))
    return [
        Step(
            "Say what can be booked",
            "A service is a haircut, a lesson, a workshop: its name, its length, its seats.",
            "services" if schedule.services else "services/new",
            "Services" if schedule.services else "Add a service",
            bool(schedule.services),
        ),
        Step(
            "Say when",
            "Slots or opening hours, in the calendar of the service.",
            f"services/{first}/calendar" if first else "services/new",
            "Manage calendar",
            bool(has_times),
        ),
        *([_payments(schedule)] if is_priced else []),
        Step(
            "Say where the widget may appear",
            "Enter the address of your website, or browsers will refuse to show the widget there.",
            "settings#origins",
            "Allowed origins",
            bool(at.site.origins),
        ),
        Step(
            "Put it on your website",
            "Copy these lines to the place where the calendar should be.",
            "settings#snippet-title",
            "Look and preview",
            bool(seen_on),
            has_snippet=True,
        ),
        Step(
            "See it there",
            f"Seen on {seen_on}."
            if seen_on
            else "Open that page once: as soon as the widget is shown there, it says so here.",
            "start",
            "Look again",
            bool(seen_on),
        ),
    ]


def _payments(schedule: Schedule) -> Step:
    """Only where something has a price: nobody else needs it."""
    return Step(
        "Be paid",
        "Enter your keys at Stripe, so that what has a price can be booked.",
        "payments",
        "Payments",
        schedule.takes_payments,
    )
