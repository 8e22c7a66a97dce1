"""The page on which owners enter their keys at Stripe, and see whether payments work. Keys are never shown again."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from widget_server.domain.payment_accounts import AccountState, KeptAccount
from widget_server.errors import InvalidRequest, NotFound, PaymentsNotSetUp, TooManyTries
from widget_server.use_cases.payment_accounts import EVENTS, PERMISSIONS
from widget_server.web.admin.pages import go, page
from widget_server.web.admin.session import AtSite
from widget_server.web.context import base_url, use_cases
from widget_server.web.forms import Form, read_form_of

_MODES = {"test": True, "live": False}
_DONE = {
    "accepted": "Saved. Stripe takes this key.",
    "unchecked": "Saved. Stripe could not be reached to check the key: press “Check again” in a moment.",
    "good": "Stripe takes this key.",
    "away": "Stripe could not be reached just now. Try again in a moment.",
    "refused": "Stripe does not take this key any more: enter another one.",
    "removed": "Removed. Nothing new is paid with these keys.",
    "gone": "There are no such keys any more.",
}
_BAD = ("away", "refused")


@dataclass(frozen=True, slots=True)
class Card:
    """The keys of one mode, and whether the site uses them now."""

    mode: str
    account: KeptAccount | None
    is_in_use: bool
    under_way: int
    is_open: bool
    """Whether its form is to be seen at once."""

    @property
    def is_there(self) -> bool:
        return self.account is not None and self.account.removed_at is None


async def show_payments(request: Request, at: AtSite) -> Response:
    return await _show(request, at, Form({}))


async def enter_keys(request: Request, at: AtSite) -> Response:
    """What was typed goes into no page again, also where it is wrong."""
    form, (mode, is_test) = await read_form_of(request, at.signed_in.session), _mode(request)
    again = Form({})
    try:
        kept = await use_cases(request).payment_accounts.enter(
            at.site,
            is_test=is_test,
            secret_key=form.text(f"{mode}_secret_key"),
            webhook_secret=form.text(f"{mode}_webhook_secret"),
            operator_id=at.signed_in.operator.id,
        )
    except InvalidRequest as refusal:
        for field, why in refusal.details["fields"].items():
            again.refuse(f"{mode}_{field}", why)
        return await _show(request, at, again, tried=mode, status=422)
    except TooManyTries as refusal:
        again.refuse("page", refusal.message)
        return await _show(request, at, again, tried=mode, status=refusal.status)
    return go(f"{at.path}/payments?done={kept.state}")


async def check_keys(request: Request, at: AtSite) -> Response:
    await read_form_of(request, at.signed_in.session)
    _, is_test = _mode(request)
    try:
        kept = await use_cases(request).payment_accounts.check(at.site, is_test=is_test)
    except (NotFound, PaymentsNotSetUp):
        return go(f"{at.path}/payments?done=gone")
    return go(f"{at.path}/payments?done={_CHECKED[kept.state]}")


async def remove_keys(request: Request, at: AtSite) -> Response:
    await read_form_of(request, at.signed_in.session)
    _, is_test = _mode(request)
    await use_cases(request).payment_accounts.remove(at.site, is_test=is_test, operator_id=at.signed_in.operator.id)
    return go(f"{at.path}/payments?done=removed")


_CHECKED = {AccountState.ACCEPTED: "good", AccountState.REFUSED: "refused", AccountState.UNCHECKED: "away"}


async def _show(request: Request, at: AtSite, form: Form, *, tried: str = "", status: int = 200) -> Response:
    accounts = await use_cases(request).payment_accounts.all_of(at.site)
    done = request.query_params.get("done", "") if request.method == "GET" else ""
    cards = [
        Card(
            mode,
            account := accounts.of(is_test=is_test),
            is_in_use=at.site.is_test == is_test,
            under_way=accounts.under_way.get(is_test, 0),
            is_open=tried == mode or account is None or account.removed_at is not None,
        )
        for mode, is_test in _MODES.items()
    ]
    return page(
        request,
        "payments",
        at.signed_in,
        status,
        site=at.site,
        form=form,
        cards=cards,
        in_use=next(card for card in cards if card.is_in_use),
        done=_DONE.get(done, ""),
        is_bad=done in _BAD,
        priced=sum(not service.price.is_free for service in at.schedule.services.values()),
        events=EVENTS,
        permissions=PERMISSIONS,
        webhook=f"{base_url(request)}/stripe/webhook/{at.site.key}",
        is_reachable=base_url(request).startswith("https://") or accounts.pretend_url is not None,
        heard_at=accounts.heard_at,
        pretend_url=accounts.pretend_url,
        waiting=await use_cases(request).unfinished_payments.waiting(at.site),
        refused=await use_cases(request).unfinished_payments.refused(at.site),
    )


def _mode(request: Request) -> tuple[str, bool]:
    """Raises NotFound."""
    mode = request.path_params["mode"]
    if mode not in _MODES:
        raise NotFound("There is nothing at this address.")
    return mode, _MODES[mode]
