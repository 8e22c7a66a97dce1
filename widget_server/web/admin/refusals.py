"""The only place where a refusal becomes a page for people."""

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
from widget_server.web.admin.session import HOME, sign_in_path
from widget_server.web.pages import templates

_TITLES: dict[type[Refusal], str] = {
    NotFound: "There is nothing here",
    CrossSite: "This form came from somewhere else",
    TooLarge: "That was too much at once",
    TooManyTries: "One moment, please",
    Loading: "One moment, please",
    Unavailable: "One moment, please",
}


def refused_page(request: Request, refusal: Refusal) -> Response:
    is_admin = request.url.path.startswith(HOME)
    if isinstance(refusal, SignInNeeded) and is_admin:
        return go(sign_in_path(request))
    headers = {"cache-control": "no-store"}
    if refusal.retry_after_s is not None:
        headers["retry-after"] = str(refusal.retry_after_s)
    context = {
        "title": title_of(refusal),
        "message": refusal.message,
        "is_admin": is_admin,
        "signed_in": None,
    }
    return templates.TemplateResponse(request, "admin/refused.html", context, refusal.status, headers)


def title_of(refusal: Refusal) -> str:
    return _TITLES.get(type(refusal), "That did not work")
