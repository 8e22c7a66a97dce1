"""The only place that renders pages of the admin rooms: never kept by a browser, with the operator at the top."""

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from widget_server.use_cases.sites import SignedIn
from widget_server.web.forms import form_token
from widget_server.web.pages import templates

_NEVER_KEPT = {"cache-control": "no-store"}


def page(request: Request, name: str, signed_in: SignedIn | None = None, status: int = 200, **context: Any) -> Response:
    context |= {"signed_in": signed_in, "form_token": form_token(signed_in.session) if signed_in else ""}
    return templates.TemplateResponse(request, f"admin/{name}.html", context, status, _NEVER_KEPT)


def go(path: str) -> Response:
    """On to another page, by GET: loading that one again sends no form twice."""
    return RedirectResponse(path, status_code=303, headers=_NEVER_KEPT)
