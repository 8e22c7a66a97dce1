"""The page that imports slots of a service from a file: previewed first, then added all at once."""

import codecs
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from starlette.requests import Request
from starlette.responses import Response

from widget_server.domain.schedule import Schedule, Service
from widget_server.domain.slot_files import BYTES_MAX, ROWS_MAX, Plan, Reading, plan_of, said_wish
from widget_server.errors import InvalidRequest, Unavailable
from widget_server.use_cases.calendar import OPENINGS_MAX, fingerprint_of
from widget_server.use_cases.edits import Edited, fingerprint
from widget_server.web.admin.clearings import next_page
from widget_server.web.admin.impact import SHOWN_MAX, chosen, refuse_for_now, refused_beside, shown_impact
from widget_server.web.admin.pages import go, page
from widget_server.web.admin.services import service_of
from widget_server.web.admin.session import AtSite, read_again
from widget_server.web.admin.slot_csv import read_csv
from widget_server.web.admin.slot_ics import is_calendar, read_ics
from widget_server.web.admin.times import parse_week
from widget_server.web.context import use_cases
from widget_server.web.forms import TABLE_FIELDS_MAX, Form, read_form_of

_TOO_LARGE = f"A file can have up to {BYTES_MAX // 1_000_000} MB. Import it in several parts."
_NO_TEXT = "This is no text file. In a spreadsheet, save the table as CSV first."
_BOTH = "There is text of yours in the box, too. Empty the box and choose the file again, or go on without the file."
_CHANGED = (
    "Somebody saved other times meanwhile. Here is what yours come to now: look them over and add them once more."
)
_OTHERS = "This is not what you have previewed. Here is what it comes to now: look it over and add it once more."
_NEITHER = "Choose a file, or paste its text."
_turn: RunVar[CapacityLimiter] = RunVar("the turn of those who import")


async def show_import(request: Request, at: AtSite) -> Response:
    return await _show(request, at, service_of(request, at.schedule), Form({}), None)


async def import_slots(request: Request, at: AtSite) -> Response:
    form = await read_form_of(request, at.signed_in.session, fields_max=TABLE_FIELDS_MAX, with_file=True)
    service, edited = service_of(request, at.schedule), None
    _take_file(form)
    plan = await _plan(form, at.schedule, service)
    if plan is not None and form.text("action") == "add":
        try:
            edited = await _add(request, at, service, plan, form)
        except Unavailable as refusal:
            refuse_for_now(form, refusal)
            return await _show(request, at, service, form, plan, refusal.status)
        if edited is not None and edited.is_saved:
            first = min(one.wish.day for one in plan.new)
            return go(next_page(at.site, edited, f"services/{service.key}/import?added={len(plan.new)}&from={first}"))
        at = await read_again(request, at)
        service = service_of(request, at.schedule)
        plan = await _plan(form, at.schedule, service)
    status = 422 if form.errors or edited is not None else 200
    return await _show(request, at, service, form, plan, status, edited)


def _take_file(form: Form) -> None:
    """Into the box, where it can be mended. What somebody has typed there is never replaced."""
    content = form.files.get("file")
    if content is None:
        return
    if form.text("text") and form.text("shown") != _print_of(form.values["text"]):
        form.refuse("file", _BOTH)
    elif len(content) > BYTES_MAX:
        form.refuse("file", _TOO_LARGE)
    elif (text := _decoded(content)) is None:
        form.refuse("file", _NO_TEXT)
    else:
        form.values["text"] = text.replace("\r\n", "\n").replace("\r", "\n")


def _decoded(content: bytes) -> str | None:
    """UTF-8, or what old spreadsheets write; there only dates and times count, which are the same in all of these."""
    is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if is_wide else ("utf-8-sig", "cp1252", "latin-1"):
        try:
            text = content.decode(encoding)
        except UnicodeError:
            continue
        return None if "\0" in text else text
    return None


async def _plan(form: Form, schedule: Schedule, service: Service) -> Plan | None:
    """None where nothing could be read; why stands in the form's errors."""
    text = form.values.get("text", "").removeprefix("\ufeff")
    if "file" in form.errors:
        return None
    if not text.strip():
        form.refuse("text", _NEITHER)
        return None
    if len(text.encode("utf-8", "replace")) > BYTES_MAX:
        form.refuse("text", _TOO_LARGE)
        return None
    try:
        plan = await to_thread.run_sync(_read_and_plan, text, schedule, service, limiter=_one_at_a_time())
    except InvalidRequest as refusal:
        form.refuse("text", refusal.message)
        return None
    has = sum(opening.service == service.key for opening in schedule.openings)
    if has + len(plan.new) > OPENINGS_MAX:
        over = has + len(plan.new) - OPENINGS_MAX
        form.refuse("page", f"A service can have up to {OPENINGS_MAX:,} times: these are {over:,} too many.")
    return plan


def _one_at_a_time() -> CapacityLimiter:
    """The worst of files take seconds: several at once would leave no thread, and little of a core, to anybody else."""
    try:
        return _turn.get()
    except LookupError:
        _turn.set(CapacityLimiter(1))
        return _turn.get()


def _read_and_plan(text: str, schedule: Schedule, service: Service) -> Plan:
    """Takes a while for a large file."""
    now = datetime.now(UTC)
    return plan_of(schedule, service.key, _read(text, schedule, service, now), now)


def _read(text: str, schedule: Schedule, service: Service, now: datetime) -> Reading:
    if not is_calendar(text):
        return read_csv(text)
    return read_ics(text, schedule.zone, now=now, last=schedule.day_of(now) + timedelta(days=service.horizon_days))


async def _add(request: Request, at: AtSite, service: Service, plan: Plan, form: Form) -> Edited | None:
    """Only just what was previewed."""
    if form.text("print") != _print_of(plan.seats):
        form.refuse("page", _OTHERS)
    if form.errors or not plan.new:
        return None
    own = [opening for opening in at.schedule.openings if opening.service == service.key]
    with refused_beside(form, _CHANGED):
        return await use_cases(request).calendar.update(
            at.site,
            service.key,
            [*own, *plan.openings],
            plan.rules,
            operator_id=at.signed_in.operator.id,
            seen=form.text("seen"),
            choice=chosen(form),
            detail={"imported_slots": len(plan.new)},
        )
    return None


def _print_of(shown: object) -> str:
    return sha256(shown.encode("utf-8", "replace")).hexdigest()[:16] if isinstance(shown, str) else fingerprint(shown)


async def _show(
    request: Request,
    at: AtSite,
    service: Service,
    form: Form,
    plan: Plan | None,
    status: int = 200,
    edited: Edited | None = None,
) -> Response:
    if plan is not None:
        form.values |= {"seen": fingerprint_of(at.schedule, service.key), "print": _print_of(plan.seats)}
    form.values["shown"] = _print_of(form.values.get("text", ""))
    added = request.query_params.get("added", "") if request.method == "GET" else ""
    return page(
        request,
        "import",
        at.signed_in,
        status,
        site=at.site,
        service=service,
        form=form,
        plan=plan,
        impact=await shown_impact(request, at.site, at.schedule, edited),
        said_wish=said_wish,
        shown_max=SHOWN_MAX,
        rows_max=ROWS_MAX,
        megabytes=BYTES_MAX // 1_000_000,
        added=int(added) if added.isascii() and added.isdigit() and len(added) < 6 else 0,
        week=parse_week(request.query_params.get("from", "")),
    )
