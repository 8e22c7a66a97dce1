"""The only place that numbers receipts: whatever changes what stands on one makes another."""

from collections.abc import Iterable
from datetime import datetime

from widget_server.domain.orders import Order
from widget_server.domain.payments import DisputeState, RefundState


def receipt_number(order: Order, moved_at: Iterable[datetime]) -> str:
    """The order's, with how many receipts there have been.

    What happens in one moment makes one, such as bookings that are cancelled and what goes back for them. So do a
    refund that is refused, and what a bank gives back by a dispute. `moved_at` are the moments in which bookings of the
    order have moved.
    """
    refunds, disputes = (order.payment.refunds, order.payment.disputes) if order.payment else ((), ())
    cancelled_at = (booking.cancelled_at for booking in order.bookings if booking.cancelled_at is not None)
    moments = {*moved_at, *cancelled_at, *(refund.created_at for refund in refunds)}
    refused = sum(refund.state is RefundState.FAILED for refund in refunds)
    lost = sum(dispute.state is DisputeState.LOST for dispute in disputes)
    return f"{order.number}-{1 + len(moments) + refused + lost}"
