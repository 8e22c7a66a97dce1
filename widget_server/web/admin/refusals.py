"""The only place where a refusal, a fault or an address that leads nowhere becomes a page for operators."""

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from widget_server.errors import (
    CrossSite,
    Loading,
    NotFound,
    Refusal,
    SignInNeeded,
    TooLarge,
    TooManyTries,
    Unavailable,
)
from widget_server.web.admin.pages import go
from widget_server.web.admin.session import sign_in_path
from widget_server.web.api.answers import WENT_WRONG, note_fault
from widget_server.web.pages import templates

DID_NOT_WORK = "That did not work"
_TITLES: dict[type[Refusal], str] = {
    SignInNeeded: "You are signed out",
    NotFound: "There is nothing here",
    CrossSite: "This form came from somewhere else",
    TooLarge: "That was too much at once",
    TooManyTries: "One moment, please",
    Loading: "One moment, please",
    Unavailable: "One moment, please",
}
_LEADS_NOWHERE = "Nothing is at this address: it may be mistyped, or what was here is gone."
_ONLY_FORMS = "This address only takes forms. Open the page with the form, and send it from there."


def refused_page(request: Request, refusal: Refusal, besides: str = "") -> Response:
    """With what else there is to say. Where there is nothing, who has to sign in first is led to do so."""
    if isinstance(refusal, SignInNeeded) and not besides:
        return go(sign_in_path(request))
    headers = {} if refusal.retry_after_s is None else {"retry-after": str(refusal.retry_after_s)}
    return _page(request, title_of(refusal), f"{refusal.message} {besides}".rstrip(), refusal.status, headers)


def nothing_page(request: Request, problem: HTTPException, headers: Mapping[str, str] | None) -> Response:
    """Where an address leads nowhere, or is only one for forms; or a form could not be read."""
    said = {404: _LEADS_NOWHERE, 405: _ONLY_FORMS}.get(problem.status_code)
    if said is None:
        return _page(request, DID_NOT_WORK, f"The form cannot be read. {problem.detail}", problem.status_code, headers)
    return _page(request, _TITLES[NotFound], said, problem.status_code, headers)


def failed_page(request: Request, problem: Exception, besides: str = "") -> Response:
    """A fault of ours."""
    note_fault(request, problem)
    return _page(request, DID_NOT_WORK, f"{WENT_WRONG} {besides}".rstrip(), 500)


def title_of(refusal: Refusal) -> str:
    return _TITLES.get(type(refusal), DID_NOT_WORK)


def _page(
    request: Request, title: str, message: str, status: int, headers: Mapping[str, str] | None = None
) -> Response:
    context = {"title": title, "message": message, "signed_in": None}
    headers = {**(headers or {}), "cache-control": "no-store"}
    return templates.TemplateResponse(request, "admin/refused.html", context, status, headers)
