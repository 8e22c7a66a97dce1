"""The pages about codes that take something off a price: all of them, and everything about one."""

from datetime import date

from starlette.requests import Request
from starlette.responses import Response

from widget_server.domain.coupons import (
    CODE_LENGTH_MAX,
    CODE_LENGTH_MIN,
    USES_MAX,
    Coupon,
    is_code,
)
from widget_server.domain.money import Money
from widget_server.domain.payments import is_whole
from widget_server.errors import Changed, IdConflict, InvalidRequest, NotFound, Unavailable
from widget_server.use_cases.coupons import mark
from widget_server.web.admin.choices import Choice
from widget_server.web.admin.impact import refuse_for_now
from widget_server.web.admin.merging import MERGED, marked, take_theirs
from widget_server.web.admin.pages import go, page
from widget_server.web.admin.prices import minor_of, typed_price
from widget_server.web.admin.session import AtSite
from widget_server.web.admin.times import parse_day
from widget_server.web.admin.writing import count, day, money
from widget_server.web.context import use_cases
from widget_server.web.forms import TABLE_FIELDS_MAX, Form, form_id, read_form_of

_PERCENT, _AMOUNT = "percent", "amount"
_SERVICE = "service-"


async def list_coupons(request: Request, at: AtSite) -> Response:
    return await _list(request, at, is_saved=request.query_params.get("saved") == "1")


async def show_new(request: Request, at: AtSite) -> Response:
    form = Form({"takes": _PERCENT, "is_active": "on", "seen": ""})
    form_id(form)
    return _show(request, at, None, form)


async def show_coupon(request: Request, at: AtSite) -> Response:
    coupon = await _coupon_of(request, at)
    return _show(request, at, coupon, marked(form_of(coupon, at.site.currency)))


async def add(request: Request, at: AtSite) -> Response:
    form = await read_form_of(request, at.signed_in.session, fields_max=TABLE_FIELDS_MAX)
    return await _save(request, at, None, form)


async def save(request: Request, at: AtSite) -> Response:
    form = await read_form_of(request, at.signed_in.session, fields_max=TABLE_FIELDS_MAX)
    return await _save(request, at, await _coupon_of(request, at), form)


async def remove(request: Request, at: AtSite) -> Response:
    """The form says all of it where it can be had back, also by the second of two clicks."""
    form = await read_form_of(request, at.signed_in.session, fields_max=TABLE_FIELDS_MAX)
    try:
        coupon, coupons = await _coupon_of(request, at), use_cases(request).coupons
        await coupons.remove(at.site, coupon, operator_id=at.signed_in.operator.id)
    except (Changed, Unavailable) as refusal:
        return await _list(request, at, problem=refusal.message, status=refusal.status)
    except NotFound:
        if not form.text("code"):
            raise
    return await _list(request, at, is_removed=True, undo=_to_add_again(form) if form.text("takes") else None)


def _to_add_again(form: Form) -> Form:
    """What is wrong with it is told once it is sent."""
    again = Form({name: value for name, value in form.values.items() if name not in ("form_token", "form_id")})
    form_id(again)
    return again


async def _coupon_of(request: Request, at: AtSite) -> Coupon:
    """The one of the path. Raises NotFound."""
    return await use_cases(request).coupons.one(at.site, request.path_params["coupon"])


async def _save(request: Request, at: AtSite, present: Coupon | None, form: Form) -> Response:
    wanted, status = read_coupon(form, at, present), 422
    if wanted is not None:
        try:
            await use_cases(request).coupons.save(
                at.site,
                wanted,
                operator_id=at.signed_in.operator.id,
                form_id=form_id(form) if present is None else "",
                seen=form.text("seen"),
            )
            return go(f"{at.path}/coupons?saved=1")
        except Changed:
            assert present is not None
            present = await _coupon_of(request, at)
            take_theirs(form, marked(form_of(present, at.site.currency)))
            form.refuse("page", MERGED.format("details"))
        except (IdConflict, InvalidRequest) as refusal:
            form.refuse_as(refusal)
        except Unavailable as refusal:
            refuse_for_now(form, refusal)
            status = refusal.status
    return _show(request, at, present, form, status)


def form_of(coupon: Coupon, currency: str) -> Form:
    """An amount of another currency than the site's is left out: it is worth nothing there."""
    amount = coupon.amount
    typed = typed_price(amount.amount_minor, currency) if amount and amount.currency == currency else ""
    form = Form(
        {
            "seen": mark(coupon),
            "takes": _AMOUNT if amount else _PERCENT,
            "worth": typed if amount else str(coupon.percent),
            "first_day": str(coupon.first_day or ""),
            "last_day": str(coupon.last_day or ""),
            "uses_max": str(coupon.uses_max or ""),
            "uses_per_address_max": str(coupon.uses_per_address_max or ""),
            "is_active": "on" if coupon.is_active else "",
            "is_for_some": "on" if coupon.services else "",
        }
    )
    form.values |= {f"{_SERVICE}{key}": "on" for key in coupon.services}
    return form


def read_coupon(form: Form, at: AtSite, present: Coupon | None) -> Coupon | None:
    """None where it makes no sense; what is wrong stands in `form.errors`."""
    code = present.code if present else "".join(form.text("code").split())
    if not is_code(code):
        sizes = f"{CODE_LENGTH_MIN} to {CODE_LENGTH_MAX}"
        form.refuse("code", f"Use {sizes} letters, digits and hyphens, such as SUMMER-7K2P.")
    percent, amount = _worth(form, at.site.currency, present)
    first, last = _day(form, "first_day"), _day(form, "last_day")
    if first and last and last < first:
        form.refuse("last_day", "Choose a day that is not before the first one.")
    uses_max, each_max = _uses(form, "uses_max"), _uses(form, "uses_per_address_max")
    services = _services(form, at, present)
    if form.errors:
        return None
    return Coupon(
        code=code,
        percent=percent,
        amount=amount,
        first_day=first,
        last_day=last,
        services=services,
        uses_max=uses_max,
        uses_per_address_max=each_max,
        is_active=form.text("is_active") == "on",
        id=present.id if present else None,
    )


def said_worth(coupon: Coupon) -> str:
    return f"{money(coupon.amount)} off" if coupon.amount else f"{coupon.percent}\u00a0% off"


def said_days(coupon: Coupon) -> str:
    """Empty: at any time."""
    first, last = coupon.first_day, coupon.last_day
    if first and last:
        return f"{day(first)} \u2013 {day(last)}"
    return f"From {day(first)}" if first else f"Until {day(last)}" if last else ""


def said_uses(coupon: Coupon) -> str:
    if coupon.uses_max:
        return f"Used {coupon.used} of {count(coupon.uses_max, 'time')}"
    return f"Used {count(coupon.used, 'time')}" if coupon.used else "Not used yet"


def state_of(coupon: Coupon, today: date, currency: str) -> str:
    """Why nobody can use it now; empty where somebody can."""
    if not coupon.is_active:
        return "Off"
    if is_of_other_currency(coupon, currency):
        return "Other currency"
    if coupon.last_day and coupon.last_day < today:
        return "Over"
    if coupon.uses_max and coupon.used >= coupon.uses_max:
        return "Used up"
    return "Not yet" if coupon.first_day and coupon.first_day > today else ""


def is_of_other_currency(coupon: Coupon, currency: str) -> bool:
    """Than the site's by now: it takes nothing off there."""
    return coupon.amount is not None and coupon.amount.currency != currency


def _worth(form: Form, currency: str, present: Coupon | None) -> tuple[int | None, Money | None]:
    """Nothing typed where its amount is in another currency leaves it as it is."""
    typed = form.text("worth")
    if form.text("takes") == _AMOUNT:
        if not typed and present and is_of_other_currency(present, currency):
            return None, present.amount
        amount = Money(minor_of(typed, currency) or 0, currency)
        if amount.is_free or not is_whole(amount):
            form.refuse("worth", f"Use an amount such as {typed_price(1000, currency)}.")
        return None, amount
    percent = int(typed) if typed.isascii() and typed.isdecimal() and len(typed) <= 3 else 0
    if not 1 <= percent <= 100:
        form.refuse("worth", "Use a whole number from 1 to 100.")
    return percent, None


def _services(form: Form, at: AtSite, present: Coupon | None) -> frozenset[str]:
    """None of them means all, so nobody gets there by leaving ticks away. What is not there any more stays named."""
    ticked = frozenset(key for key in at.schedule.services if form.text(f"{_SERVICE}{key}") == "on")
    gone = present.services - at.schedule.services.keys() if present else frozenset()
    is_for_some = form.text("is_for_some") == "on"
    if is_for_some and not (ticked or gone):
        form.refuse("is_for_some", "Choose at least one service, or untick \u201cOnly for some services\u201d.")
    if ticked and not is_for_some:
        form.refuse(
            "is_for_some", "Tick \u201cOnly for some services\u201d as well, or no service: then it is for all."
        )
    return ticked | gone if is_for_some else frozenset()


def _day(form: Form, name: str) -> date | None:
    found = parse_day(form.text(name)) if form.text(name) else None
    if found is None and form.text(name):
        form.refuse(name, "Choose a day, or leave it empty.")
    return found


def _uses(form: Form, name: str) -> int | None:
    typed = form.text(name)
    if not typed:
        return None
    uses = int(typed) if typed.isascii() and typed.isdecimal() and len(typed) <= 7 else 0
    if not 1 <= uses <= USES_MAX:
        form.refuse(name, f"Use a whole number up to {USES_MAX:,}, or leave it empty.")
    return uses


async def _list(
    request: Request,
    at: AtSite,
    *,
    is_saved: bool = False,
    is_removed: bool = False,
    undo: Form | None = None,
    problem: str = "",
    status: int = 200,
) -> Response:
    coupons = await use_cases(request).coupons.of_site(at.site)
    today, names = use_cases(request).dashboard.now().astimezone(at.site.zone).date(), at.schedule.services
    told = [
        (
            one,
            [said_worth(one), *sorted(names[key].name for key in one.services if key in names)],
            [part for part in (said_days(one), said_uses(one)) if part],
            state_of(one, today, at.site.currency),
            _to_remove(one, at),
        )
        for one in coupons
    ]
    has_prices = any(not service.price.is_free for service in names.values())
    return page(
        request,
        "coupons",
        at.signed_in,
        status,
        site=at.site,
        coupons=told,
        has_prices=has_prices,
        is_saved=is_saved,
        is_removed=is_removed,
        undo=undo,
        problem=problem,
    )


def _to_remove(coupon: Coupon, at: AtSite) -> Form:
    """With all of it, unless nobody could enter it like that today: its currency or a service of it is gone."""
    if is_of_other_currency(coupon, at.site.currency) or coupon.services - at.schedule.services.keys():
        return Form({"code": coupon.code})
    return Form({"code": coupon.code, **form_of(coupon, at.site.currency).values, "seen": ""})


def _show(request: Request, at: AtSite, coupon: Coupon | None, form: Form, status: int = 200) -> Response:
    return page(
        request,
        "coupon",
        at.signed_in,
        status,
        site=at.site,
        coupon=coupon,
        form=form,
        takes=[Choice(_PERCENT, "A share, in percent"), Choice(_AMOUNT, f"An amount, in {at.site.currency}")],
        services=[
            service
            for key, service in at.schedule.services.items()
            if not service.price.is_free or (coupon and key in coupon.services)
        ],
        other_worth=said_worth(coupon) if coupon and is_of_other_currency(coupon, at.site.currency) else "",
        code_length_max=CODE_LENGTH_MAX,
    )
