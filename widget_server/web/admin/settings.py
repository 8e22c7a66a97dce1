"""The settings page of a site, with the snippet to copy and a live preview."""

import re
from datetime import UTC, datetime
from urllib.parse import urlencode

from markupsafe import escape
from starlette.requests import Request
from starlette.responses import Response

from widget_server.domain.sites import HOLD_MINUTES_MAX, HOLD_MINUTES_MIN, Site
from widget_server.errors import Unavailable
from widget_server.use_cases.dashboard import TESTS_CANCELLED_AT_ONCE
from widget_server.web.admin.choices import CURRENCIES, THEMES, locales, with_present, zones
from widget_server.web.admin.impact import refuse_for_now, refused_beside
from widget_server.web.admin.merging import MERGED, marked, take_theirs
from widget_server.web.admin.pages import go, page
from widget_server.web.admin.session import AtSite, read_again
from widget_server.web.admin.settings_form import form_of, read_settings
from widget_server.web.context import base_url, use_cases
from widget_server.web.forms import Form, read_form_of

_NOTES = {
    "zone": "Openings are now read on the clocks of {zone}. Bookings made before keep their moment.",
    "currency": "Prices are now in {currency}, with the same numbers as before. Bookings made before keep their price.",
}
_ORIGIN_ROWS_MIN, _ORIGIN_ROWS_MAX = 3, 12


async def show_settings(request: Request, at: AtSite) -> Response:
    return _show(request, at, marked(form_of(at.site)))


async def save_settings(request: Request, at: AtSite) -> Response:
    form = await read_form_of(request, at.signed_in.session)
    wanted = read_settings(form, at.site)
    if not form.errors:
        try:
            await _save(request, at, wanted, form)
        except Unavailable as refusal:
            refuse_for_now(form, refusal)
            return _show(request, at, form, status=refusal.status)
    if not form.errors:
        changed = [name for name in _NOTES if getattr(wanted, name) != getattr(at.site, name)]
        query = urlencode({"saved": ",".join(changed) or "1"})
        return go(f"{at.path}/settings?{query}")
    at = await read_again(request, at)
    if form.is_outdated:
        take_theirs(form, marked(form_of(at.site)))
    return _show(request, at, form, status=422)


async def _save(request: Request, at: AtSite, wanted: Site, form: Form) -> None:
    with refused_beside(form, MERGED.format("settings")):
        await use_cases(request).sites.change_settings(at.signed_in, wanted, seen=form.text("seen"))


def _show(request: Request, at: AtSite, form: Form, status: int = 200) -> Response:
    asked = request.query_params if request.method == "GET" else {}
    saved, tests = asked.get("saved", ""), re.fullmatch(r"\d{1,4}", asked.get("tests", ""), re.ASCII)
    shown = {"host": base_url(request), "theme": at.site.theme, "lang": at.site.locale}
    return page(
        request,
        "settings",
        at.signed_in,
        status,
        site=at.site,
        form=form,
        saved=bool(saved),
        notes=[
            _NOTES[name].format(zone=at.site.zone.key, currency=at.site.currency) for name in _NOTES if name in saved
        ],
        tests=int(tests[0]) if tests else None,
        tests_at_once=TESTS_CANCELLED_AT_ONCE,
        priced=sum(not service.price.is_free for service in at.schedule.services.values()),
        zones=zones(datetime.now(UTC)),
        local_time=f"{datetime.now(at.site.zone):%H:%M}",
        locales=with_present(locales(), at.site.locale),
        currencies=with_present(CURRENCIES, at.site.currency),
        themes=THEMES,
        minutes_min=HOLD_MINUTES_MIN,
        minutes_max=HOLD_MINUTES_MAX,
        origin_rows=min(max(_ORIGIN_ROWS_MIN, form.text("origins").count("\n") + 2), _ORIGIN_ROWS_MAX),
        snippet=snippet(base_url(request), at.site.key),
        preview=f"/w/{at.site.key}?{urlencode(shown)}",
    )


def snippet(url: str, site_key: str) -> str:
    """What a site owner pastes into their page."""
    return (
        f'<script src="{escape(url)}/embed.js" async></script>\n'
        f'<tenuto-booking site="{site_key}">\n'
        f'  <noscript><a href="{escape(url)}/w/{site_key}">Book a time</a></noscript>\n'
        f"</tenuto-booking>"
    )
