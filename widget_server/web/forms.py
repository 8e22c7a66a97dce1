"""The only place that reads forms: no longer than needed, and only those that our own pages have sent."""

import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import FormData, Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from widget_server.errors import CrossSite, InvalidRequest, Refusal
from widget_server.ids import is_id, keyed, new_id
from widget_server.web.context import base_url

FORM_BYTES_MAX = 32_768
_FIELDS_MAX = 40
TABLE_BYTES_MAX, TABLE_FIELDS_MAX = 524_288, 8_000
"""Of forms with many rows: a week of slots of five minutes, each with its seats."""
UPLOAD_BYTES_MAX = 16_777_216
"""Of forms with a file. Far more than such a file may have: whoever chooses too large a one is told so on the page."""
KEPT_BYTES_MAX = 2_097_152
"""Of forms that go back to whoever sent them: more than a file to import and the text beside it may have together."""
NUL = "\0"
"""No database takes it, and nobody types it."""
TOKEN_FIELD = "form_token"  # noqa: S105  the name of a field, not a secret
_URLENCODED = "application/x-www-form-urlencoded"
_OTHER_CHARSET = re.compile(r""";\s*charset(?!\s*=\s*"?utf-?8"?\s*(?:;|$))""", re.ASCII | re.IGNORECASE)
"""The parser would take any of Python's codecs, of which some fail in ways of their own, and some give half letters."""
_SENT_FROM_ELSEWHERE = "This form was sent from another page. Go back, load the page again and send it once more."


@dataclass
class Form:
    """What somebody typed, exactly as typed, and what is wrong with it: one sentence a field."""

    values: dict[str, str]
    errors: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    """Those that were chosen, without empty ones."""
    is_outdated: bool = False
    """Somebody else has saved something meanwhile, and whoever sent this is told so with its answer."""

    def text(self, name: str) -> str:
        return self.values.get(name, "").strip()

    def text_within(self, name: str, length_max: int, *, wanted: str = "", one_line: bool = False) -> str:
        """Refused where it is longer; and where there is none, in the words of what is `wanted`."""
        text = " ".join(self.text(name).split()) if one_line else self.text(name)
        if not text and wanted:
            self.refuse(name, wanted)
        if len(text) > length_max:
            self.refuse(name, f"Use at most {length_max} characters.")
        return text

    def secret(self, name: str) -> str:
        """As it is: spaces belong to a password."""
        return self.values.get(name, "")

    def refuse(self, name: str, why: str) -> None:
        self.errors.setdefault(name, why)

    def refuse_as(self, refusal: Refusal) -> None:
        """Beside the field that it names; where it names none, above them all."""
        self.refuse(refusal.details.get("field", "page"), refusal.message)


@dataclass(frozen=True, slots=True)
class Sent:
    """What a form said, to give it back to whoever sent it."""

    texts: dict[str, str]
    files: tuple[str, ...]
    """The fields in which a file was chosen."""


async def read_form(request: Request, *, fields_max: int = _FIELDS_MAX, with_file: bool = False) -> Form:
    """Its route has a limit for all of it, so there is none for a field: too long a text is refused beside it.

    Raises CrossSite for a form that did not come from one of our own pages, InvalidRequest for one cut off.
    """
    if not is_our_own(request):
        raise CrossSite(_SENT_FROM_ELSEWHERE)
    if _is_of_other_charset(request):
        raise InvalidRequest("This form is not in UTF-8, as our pages send it. Open its page, and send it from there.")
    limits = {"max_files": int(with_file), "max_fields": fields_max, "max_part_size": UPLOAD_BYTES_MAX}
    try:
        async with request.form(**limits) as sent:
            files = {name: await value.read() for name, value in sent.items() if isinstance(value, UploadFile)}
    except ClientDisconnect as gone:
        raise InvalidRequest("The form was cut off.") from gone
    return Form(_texts_of(sent), files={name: content for name, content in files.items() if content})


async def read_to_give_back(request: Request) -> Sent | None:
    """What was sent, whether somebody has read it before or not; no token is looked at.

    None for a form that is cut off, or that none of our pages would send like that.
    """
    if _is_of_other_charset(request):
        return None
    if request._form is None and request.headers.get("content-type", "").startswith(_URLENCODED):
        return await _parsed_at_once(request)
    try:
        async with request.form(max_files=1, max_fields=TABLE_FIELDS_MAX, max_part_size=KEPT_BYTES_MAX) as sent:
            chosen = [name for name, value in sent.items() if isinstance(value, UploadFile) and value.filename]
    except (ClientDisconnect, HTTPException):
        return None
    return Sent(_texts_of(sent), tuple(chosen))


def _is_of_other_charset(request: Request) -> bool:
    return _OTHER_CHARSET.search(request.headers.get("content-type", "")) is not None


def may_go_back(request: Request) -> bool:
    """Whether a form is from one of our own pages, and no larger than what goes back and forth."""
    length = length_of(request.headers)
    return length is not None and length <= KEPT_BYTES_MAX and is_our_own(request)


def is_too_large_to_go_back(request: Request) -> bool:
    """Whether that is all that is wrong with it."""
    length = length_of(request.headers)
    return length is not None and length > KEPT_BYTES_MAX and is_our_own(request)


def length_of(headers: Headers) -> int | None:
    """How many bytes a form says that it has. Browsers always say so."""
    length = headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdecimal() and len(length) < 20 else None


async def read_form_of(
    request: Request, session: str, *, fields_max: int = _FIELDS_MAX, with_file: bool = False
) -> Form:
    """As `read_form`, and the form must carry the token of this very session."""
    form = await read_form(request, fields_max=fields_max, with_file=with_file)
    if not hmac.compare_digest(form.secret(TOKEN_FIELD).encode(), form_token(session).encode()):
        raise CrossSite(_SENT_FROM_ELSEWHERE)
    return form


def form_id(form: Form) -> str:
    """By which a form for something new is known when it is sent twice; a fresh one where it has none of ours."""
    if not is_id(form.text("form_id")):
        form.values["form_id"] = new_id()
    return form.text("form_id")


def form_token(session: str) -> str:
    """The same for all forms of a session; it says nothing about the session itself."""
    return keyed(session.encode(), "form", "")


def is_our_own(request: Request) -> bool:
    """Whether a form is from one of our own pages. The browser says where from, and no script can make it lie.

    All browsers of today send `Sec-Fetch-Site` to https and localhost; to plain http they send `Origin`.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return request.headers.get("origin") in (_origin_of(base_url(request)), _origin_of(str(request.base_url)))


async def _parsed_at_once(request: Request) -> Sent | None:
    """Strangers may send it: piece by piece, as a form is read else, a large one would take a second."""
    try:
        body = (await request.body()).decode("latin-1")
        return Sent(_tidy(parse_qsl(body, keep_blank_values=True, max_num_fields=TABLE_FIELDS_MAX)), ())
    except (ClientDisconnect, ValueError):
        return None


def _texts_of(sent: FormData) -> dict[str, str]:
    return _tidy((name, value) for name, value in sent.items() if isinstance(value, str))


def _tidy(texts: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name: value.replace("\r\n", "\n").replace(NUL, "") for name, value in texts}


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
