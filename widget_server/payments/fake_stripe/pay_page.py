"""The only place for what customers see of the pretend Stripe: a page that says what it is, and does as it is told."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from widget_server.payments.fake_stripe.account import AT_ONCE, TAKES_DAYS
from widget_server.payments.fake_stripe.books import Books, NotPayable
from widget_server.payments.fake_stripe.objects import Session
from widget_server.payments.fake_stripe.refusals import StripeRefusal

_HERE = Path(__file__).parent
_PAGES = Environment(loader=FileSystemLoader(_HERE), autoescape=True)
_NAMES = {"ideal": "iDEAL", "sepa_debit": "SEPA"}
_WITHOUT_DECIMALS = {
    "bif",
    "clp",
    "djf",
    "gnf",
    "jpy",
    "kmf",
    "krw",
    "mga",
    "pyg",
    "rwf",
    "vnd",
    "vuv",
    "xaf",
    "xof",
    "xpf",
}
_WITH_THREE_DECIMALS = {"bhd", "jod", "kwd", "omr", "tnd"}


def pay_pages(books: Books) -> list[Route]:
    async def show(request: Request) -> Response:
        return _page(books, request.path_params["id"])

    async def act(request: Request) -> Response:
        return await _acted(books, request)

    async def style(request: Request) -> Response:
        return FileResponse(_HERE / "pay_page.css", media_type="text/css", headers={"cache-control": "max-age=300"})

    return [
        Route("/pay/{id}", show, methods=["GET"]),
        Route("/pay/{id}", act, methods=["POST"]),
        Route("/pay_page.css", style, methods=["GET"]),
    ]


def _steps(books: Books, id: str) -> dict[str, Callable[[], None]]:
    """What the buttons do."""
    return {
        "pay": lambda: books.pay(id),
        "ask-bank": lambda: books.ask_bank(id),
        "decline": lambda: books.decline(id),
        "at-once": lambda: books.pay(id, AT_ONCE[0]),
        "takes-days": lambda: books.pay(id, TAKES_DAYS[0]),
        "bank-agrees": lambda: books.answer_bank(id, is_sure=True),
        "bank-refuses": lambda: books.answer_bank(id, is_sure=False),
    }


async def _acted(books: Books, request: Request) -> Response:
    session_id, form = request.path_params["id"], await request.form(max_files=0, max_fields=10)
    step = _steps(books, session_id).get(str(form.get("how")))
    if step is None:
        return _page(books, session_id, problem="Choose how it should go.", status_code=422)
    try:
        step()
        session = books.session(session_id)
    except (StripeRefusal, NotPayable):
        return _page(books, session_id)
    to = session.success_url if session.status == "complete" else request.url.path.rpartition("/")[2]
    return RedirectResponse(to, 303, {"cache-control": "no-store"})


def _page(books: Books, id: str, *, problem: str | None = None, status_code: int = 200) -> Response:
    """Of a session that nobody knows, as of one that has ended: there is nothing to pay."""
    try:
        session = books.session(id)
    except StripeRefusal:
        return _rendered("There is no such pay page.", 404, session=None)
    intent = session.intent
    declined = intent.last_error["message"] if intent is not None and intent.last_error else None
    return _rendered(
        problem or declined,
        status_code,
        session=session,
        business=books.account_of_session(id).name,
        asks_bank=intent is not None and intent.status == "requires_action",
        at_once=next((method for method in AT_ONCE if method in session.methods), None),
        takes_days=next((method for method in TAKES_DAYS if method in session.methods), None),
        has_card="card" in session.methods,
        names=_NAMES,
    )


def _rendered(problem: str | None, status_code: int, *, session: Session | None, **known: object) -> Response:
    text = _PAGES.get_template("pay_page.html").render(problem=problem, session=session, amount=amount, **known)
    # A form's answer may lead to the business's pages: browsers hold that against the form, unless it is named.
    back = [session.success_url, session.cancel_url] if session else []
    origins = sorted({f"{urlsplit(url).scheme}://{urlsplit(url).netloc}" for url in back if url})
    targets = " ".join(["'self'", *origins])
    policy = (
        "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action {targets}"
    )
    headers = {"content-security-policy": policy, "cache-control": "no-store", "referrer-policy": "same-origin"}
    return HTMLResponse(text, status_code, headers)


def amount(minor: int, currency: str) -> str:
    """`45.00 EUR`"""
    digits = 0 if currency in _WITHOUT_DECIMALS else 3 if currency in _WITH_THREE_DECIMALS else 2
    return f"{minor / 10**digits:,.{digits}f} {currency.upper()}"
