"""The pages on which an operator says what can be booked: the list of services, and everything about one."""

from starlette.requests import Request
from starlette.responses import Response

from widget_server.domain.questions import QUESTIONS_MAX
from widget_server.domain.schedule import Schedule, Service
from widget_server.errors import InvalidRequest, NotFound, Unavailable
from widget_server.use_cases.edits import Edited
from widget_server.web.admin import lengths
from widget_server.web.admin.clearings import next_page
from widget_server.web.admin.impact import chosen, refuse_for_now, refused_beside, shown_impact
from widget_server.web.admin.merging import MERGED, marked, take_theirs
from widget_server.web.admin.pages import go, page
from widget_server.web.admin.questions_form import KINDS as QUESTION_KINDS
from widget_server.web.admin.questions_form import labels_of, rearrange, rows_of
from widget_server.web.admin.service_form import KINDS, PLACES, RULES, SHOWN, form_of, new_service, read_service
from widget_server.web.admin.session import AtSite, read_again
from widget_server.web.context import use_cases
from widget_server.web.forms import TABLE_FIELDS_MAX, Form, form_id, read_form_of


async def show_services(request: Request, at: AtSite) -> Response:
    has_times = {opening.service for opening in at.schedule.openings}
    return page(
        request,
        "services",
        at.signed_in,
        site=at.site,
        services=sorted(at.schedule.services.values(), key=lambda service: not service.is_offered),
        has_times=has_times,
        kinds={choice.value: choice.label for choice in KINDS},
        spelled=lengths.spelled,
    )


async def show_new(request: Request, at: AtSite) -> Response:
    service = new_service(at.site)
    form = form_of(service)
    form_id(form)
    return _show(request, at, service, form)


async def add(request: Request, at: AtSite) -> Response:
    form = await read_form_of(request, at.signed_in.session, fields_max=TABLE_FIELDS_MAX)
    if (focus := rearrange(form)) is not None:
        return _show(request, at, new_service(at.site), form, focus=focus)
    wanted = read_service(form, new_service(at.site))
    if not form.errors:
        try:
            key = await use_cases(request).services.add(
                at.site, wanted, operator_id=at.signed_in.operator.id, form_id=form_id(form)
            )
            return go(f"{at.path}/services/{key}/calendar?new=1")
        except InvalidRequest as refusal:
            form.refuse_as(refusal)
        except Unavailable as refusal:
            refuse_for_now(form, refusal)
            return _show(request, at, new_service(at.site), form, status=refusal.status)
    return _show(request, at, new_service(at.site), form, status=422)


async def show_service(request: Request, at: AtSite) -> Response:
    service = service_of(request, at.schedule)
    return _show(request, at, service, marked(form_of(service)))


async def save(request: Request, at: AtSite) -> Response:
    form = await read_form_of(request, at.signed_in.session, fields_max=TABLE_FIELDS_MAX)
    service = service_of(request, at.schedule)
    if (focus := rearrange(form)) is not None:
        return _show(request, at, service, form, focus=focus)
    wanted, edited = read_service(form, service), None
    if not form.errors:
        try:
            edited = await _save(request, at, wanted, form)
        except Unavailable as refusal:
            refuse_for_now(form, refusal)
            return _show(request, at, service, form, status=refusal.status)
        if edited is not None and edited.is_saved:
            return go(next_page(at.site, edited, f"services/{service.key}?saved=1"))
    at = await read_again(request, at)
    return await _show_again(request, at, service_of(request, at.schedule), form, edited)


def service_of(request: Request, schedule: Schedule) -> Service:
    """Raises NotFound."""
    service = schedule.services.get(request.path_params["service"])
    if service is None:
        raise NotFound("There is no such service.")
    return service


async def _save(request: Request, at: AtSite, wanted: Service, form: Form) -> Edited | None:
    with refused_beside(form, MERGED.format("details")):
        edited = await use_cases(request).services.change(
            at.site,
            wanted,
            operator_id=at.signed_in.operator.id,
            seen=form.text("seen"),
            choice=chosen(form),
        )
        if edited.consequences.too_full:
            form.refuse("capacity", "Somewhere more seats than that are taken already: see below.")
        return edited
    return None


async def _show_again(
    request: Request,
    at: AtSite,
    service: Service,
    form: Form,
    edited: Edited | None,
) -> Response:
    """With all that was typed. Whoever was told of what is saved by now means it when they send it once more."""
    if form.is_outdated:
        take_theirs(form, marked(form_of(service)))
    impact = await shown_impact(request, at.site, at.schedule, edited)
    return _show(request, at, service, form, status=422, impact=impact)


def _show(
    request: Request,
    at: AtSite,
    service: Service,
    form: Form,
    status: int = 200,
    impact: object = None,
    focus: str = "",
) -> Response:
    return page(
        request,
        "service",
        at.signed_in,
        status,
        site=at.site,
        service=service,
        form=form,
        impact=impact,
        saved=request.query_params.get("saved") == "1" and request.method == "GET",
        kinds=KINDS,
        places=PLACES,
        rules=RULES,
        shown=SHOWN,
        focus=focus,
        spelled=lengths.spelled,
        question_rows=rows_of(form),
        question_kinds=QUESTION_KINDS,
        question_labels=labels_of(form),
        questions_max=QUESTIONS_MAX,
        notices=lengths.in_minutes(lengths.NOTICES, service.notice_min, none="Until it starts"),
        reminders=lengths.in_hours(lengths.REMINDERS, service.remind_hours, none="Never"),
        horizons=lengths.in_days(lengths.HORIZONS, service.horizon_days),
        cancellations=lengths.in_minutes(lengths.CANCELLATIONS, service.cancel_until_min, none="Until it starts"),
        takes_payments=at.schedule.takes_payments,
        staffed=any(service.key in member.services for member in at.schedule.staff.values()),
    )
