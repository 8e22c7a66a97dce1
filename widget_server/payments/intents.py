"""The only place for what the states of Stripe's payments mean, and what to do where nobody knows in which one is."""

from collections.abc import Awaitable, Callable, Mapping

from widget_server.domain.payments import Payment, PaymentState
from widget_server.errors import PaymentRefused, PaymentsAway

STATES: Mapping[str, PaymentState] = {
    "requires_capture": PaymentState.AUTHORISED,
    "succeeded": PaymentState.CAPTURED,
    "processing": PaymentState.PROCESSING,
    "canceled": PaymentState.GONE,
}
"""Of intents. In all others nothing was paid: their session says whether it still can be."""
_ENDS = (PaymentState.CAPTURED, PaymentState.GONE)
_Ask = Callable[[], Awaitable[Payment]]


async def settled(ask: _Ask, read: _Ask, *, wanted: PaymentState) -> Payment:
    """Ask; if nobody knows, ask again, with the same key. Then read: only Stripe's word counts.

    Raises PaymentRefused; PaymentsAway where it may still be on its way.
    """
    for _ in range(2):
        try:
            return await ask()
        except PaymentsAway:
            continue
        except PaymentRefused as refusal:
            present = await read()
            if present.state is wanted or present.state in _ENDS:
                return present
            raise refusal from None
    present = await read()
    if present.state is PaymentState.AUTHORISED:
        raise PaymentsAway("Stripe has not answered.")
    return present
