"""The page on which an owner makes another site."""

from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from widget_server.errors import IdConflict, InvalidRequest, NotFound, Unavailable
from widget_server.use_cases.services import key_of
from widget_server.use_cases.sites import SignedIn
from widget_server.web.admin.choices import CURRENCIES, locales, zones
from widget_server.web.admin.impact import refuse_for_now
from widget_server.web.admin.pages import go, page
from widget_server.web.admin.session import HOME
from widget_server.web.admin.settings_form import read_choice, read_name, read_zone
from widget_server.web.context import use_cases
from widget_server.web.forms import Form, read_form_of


async def show_new_site(request: Request, signed_in: SignedIn) -> Response:
    _must_own(signed_in)
    owned = next(one.site_key for one in signed_in.memberships if one.is_owner)
    like, _ = await use_cases(request).sites.open(signed_in, owned)
    form = Form({"zone": like.zone.key, "currency": like.currency, "locale": like.locale})
    return _show(request, signed_in, form)


async def make_site(request: Request, signed_in: SignedIn) -> Response:
    form = await read_form_of(request, signed_in.session)
    _must_own(signed_in)
    name, zone = read_name(form), read_zone(form)
    locale, currency = read_choice(form, "locale", locales()), read_choice(form, "currency", CURRENCIES)
    if form.errors or not (name and zone and locale and currency):
        return _show(request, signed_in, form, status=422)
    key = form.text("key") or key_of(name, "site")
    try:
        site = await use_cases(request).sites.create(
            key=key, name=name, zone=zone.key, currency=currency, locale=locale, owner=signed_in
        )
    except IdConflict:
        form.values["key"] = key
        form.refuse("key", f"There is a site with the key “{key}” already: choose another key.")
    except InvalidRequest as refusal:
        form.refuse_as(refusal)
    except Unavailable as refusal:
        refuse_for_now(form, refusal)
        return _show(request, signed_in, form, status=refusal.status)
    else:
        return go(f"{HOME}/sites/{site.key}/start")
    return _show(request, signed_in, form, status=422)


def _show(request: Request, signed_in: SignedIn, form: Form, status: int = 200) -> Response:
    return page(
        request,
        "new_site",
        signed_in,
        status,
        form=form,
        zones=zones(datetime.now(UTC)),
        locales=locales(),
        currencies=CURRENCIES,
    )


def _must_own(signed_in: SignedIn) -> None:
    """Sites of others are made where the server runs. Raises NotFound."""
    if not signed_in.owns_a_site:
        raise NotFound("Only who owns a site can make another one.")
