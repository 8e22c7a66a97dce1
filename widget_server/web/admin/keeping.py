"""The only place that keeps what a form said when it is not taken: it goes back to its sender, to be sent again.

Nothing of it stays on the server. Between a session that has ended and the next one it travels in the sign-in form.
"""

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Annotated
from urllib.parse import quote, unquote

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from widget_server.errors import CrossSite, Refusal, SignInNeeded, TooManyTries
from widget_server.web.admin.pages import page
from widget_server.web.admin.refusals import DID_NOT_WORK, failed_page, refused_page, title_of
from widget_server.web.admin.session import HOME, session_of
from widget_server.web.api.answers import WENT_WRONG, note_fault
from widget_server.web.context import use_cases
from widget_server.web.forms import (
    FORM_BYTES_MAX,
    KEPT_BYTES_MAX,
    TOKEN_FIELD,
    Form,
    form_token,
    is_too_large_to_go_back,
    may_go_back,
    read_to_give_back,
)
from widget_server.web.guards import network_of

SHOWN_MAX = 200
"""So many fields are shown; all are sent."""
_NOT_TYPED = {
    *(
        TOKEN_FIELD,
        "form_id",
        "id",
        "seen",
        "was",
        "bookings_seen",
        "print",
        "shown",
        "version",
        "sendings",
        "lines",
        "undo",
    ),
    *("next", "kept", "token", "username"),
}
"""What our pages put into forms by themselves."""
_SECRET = re.compile(r"(?:.*_)?(?:password|current|secret|secret_key)", re.ASCII)
"""Fields of passwords and of keys at Stripe. They go into no page again."""
_TOO_LARGE = (
    f"What you sent has more than {KEPT_BYTES_MAX // 1_000_000} MB, so this page cannot give it back to you. "
    "Your browser's Back may still have it."
)
_CHECK = (
    "You have signed in anew since this page was opened, so it was not sent just like that. "
    "Look over what it says, then send it."
)
_SIGNED_IN = "You are signed in again, and nothing was sent yet. Look over what it says, then send it."

Door = Callable[[Request], Awaitable[Response]]


class Kept(BaseModel):
    """A form on its way back. What is left out of it is typed or chosen once more."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    to: Annotated[str, Field(pattern=r"^/admin[!-\[\]-~]*$", max_length=2_048)]
    texts: dict[str, str]
    secrets: tuple[str, ...]
    files: tuple[str, ...]

    @property
    def typed(self) -> list[tuple[str, str]]:
        """As people read it."""
        return [(said(name), text) for name, text in self.texts.items() if name not in _NOT_TYPED and text]

    @property
    def is_worth_a_look(self) -> bool:
        return bool(self.typed or self.secrets or self.files)

    @property
    def where(self) -> str:
        """`studio \u203a people \u203a 3`"""
        path = unquote(self.to.partition("?")[0]).removeprefix(f"{HOME}/").removeprefix("sites/")
        return " \u203a ".join(part.replace("-", " ") for part in path.split("/"))


def keeping(door: Door) -> Door:
    """For every form: what its own page does not show again after a refusal or a fault, this does."""

    async def opened(request: Request) -> Response:
        try:
            return await door(request)
        except HTTPException:
            raise
        except Exception as problem:
            answer = await _answered(request, problem)
            if answer is None:
                raise
            return answer

    return opened


def kept_of(form: Form) -> Kept | None:
    """What came along with somebody who signs in; None also for what we have not written."""
    try:
        return Kept.model_validate_json(form.secret("kept")) if form.secret("kept") else None
    except ValidationError:
        return None


def show_door(request: Request, form: Form, status: int = 200, *, left: bool = False) -> Response:
    """The page to sign in on, with whatever is to be sent afterwards."""
    return page(request, "sign_in", status=status, form=form, left=left, kept=kept_of(form))


def show_once_more(
    request: Request, kept: Kept, session: str, status: int = 200, message: str = _SIGNED_IN
) -> Response:
    """With the token of this session. Nothing is sent before somebody has seen what it says."""
    texts = kept.texts | {TOKEN_FIELD: form_token(session)}
    again = kept.model_copy(update={"texts": texts})
    return _show(request, again, status, title="Send this?", message=message, is_question=True)


def said(name: str) -> str:
    """`hold_minutes` as `Hold minutes`."""
    words = re.sub(r"[_-]+", " ", name)
    return words[:1].upper() + words[1:]


async def _answered(request: Request, problem: Exception) -> Response | None:
    """A refusal, or a fault of ours. None where there is no form to give back, or no use in it."""
    if is_too_large_to_go_back(request):
        if isinstance(problem, Refusal):
            return refused_page(request, problem, _TOO_LARGE)
        return failed_page(request, problem, _TOO_LARGE)
    kept = await _kept(request)
    if kept is None:
        return None
    if isinstance(problem, Refusal):
        return _given_back(request, kept, problem)
    note_fault(request, problem)
    return _show(request, kept, 500, title=DID_NOT_WORK, message=WENT_WRONG)


async def _kept(request: Request) -> Kept | None:
    """None where nothing goes back: a form of somebody else's page, too large a one, or one too many."""
    sent = await read_to_give_back(request) if may_go_back(request) and _is_not_too_often(request) else None
    if sent is None:
        return None
    query = f"?{request.url.query}" if request.url.query else ""
    secrets = tuple(name for name, text in sent.texts.items() if text and _SECRET.fullmatch(name))
    texts = {name: text for name, text in sent.texts.items() if name not in secrets}
    try:
        return Kept(to=quote(request.scope["path"]) + query, texts=texts, secrets=secrets, files=sent.files)
    except ValidationError:  # no address of ours
        return None


def _is_not_too_often(request: Request) -> bool:
    """Whoever is signed in nowhere may send forms too, and a large one is work."""
    with suppress(TooManyTries):
        use_cases(request).sites.count_given_back(network_of(request))
        return True
    return False


def _given_back(request: Request, kept: Kept, refusal: Refusal) -> Response | None:
    session = session_of(request)
    if isinstance(refusal, SignInNeeded):
        return _ask_to_sign_in(request, kept, refusal)
    if isinstance(refusal, CrossSite):  # from one of our own pages, so it is the token that is another one
        return show_once_more(request, kept, session, refusal.status, _CHECK) if session else None
    may_help = refusal.status >= 500 or isinstance(refusal, TooManyTries)
    if not may_help and not kept.is_worth_a_look:
        return None
    answer = _show(request, kept, refusal.status, title=title_of(refusal), message=refusal.message, may_help=may_help)
    if refusal.retry_after_s is not None:
        answer.headers["retry-after"] = str(refusal.retry_after_s)
    return answer


def _ask_to_sign_in(request: Request, kept: Kept, refusal: SignInNeeded) -> Response | None:
    if not kept.is_worth_a_look:
        return None
    texts = {name: text for name, text in kept.texts.items() if name != TOKEN_FIELD}
    written = kept.model_copy(update={"texts": texts}).model_dump_json()
    if len(written.encode()) > KEPT_BYTES_MAX - FORM_BYTES_MAX:  # written as JSON, it is more than it was
        return refused_page(request, refusal, _TOO_LARGE)
    return show_door(request, Form({"next": HOME, "kept": written}), SignInNeeded.status)


def _show(
    request: Request,
    kept: Kept,
    status: int,
    *,
    title: str,
    message: str,
    may_help: bool = True,
    is_question: bool = False,
) -> Response:
    return page(
        request,
        "kept",
        status=status,
        title=title,
        message=message,
        kept=kept,
        labels={name: said(name) for name in (*kept.secrets, *kept.files)},
        shown_max=SHOWN_MAX,
        may_help=may_help,
        is_question=is_question,
        empty=Form({}),
    )
