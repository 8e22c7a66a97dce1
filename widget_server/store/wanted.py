"""The only place that writes down what is to be paid for, with all that comes of it, and reads it again."""

from typing import Any

from widget_server.domain.attempts import WantedLine, WantedMove, WantedOrder
from widget_server.domain.bookings import Customer
from widget_server.domain.coupons import UsedCoupon
from widget_server.domain.money import Money
from widget_server.domain.services import Place
from widget_server.domain.slots import Slot
from widget_server.store.questions import rows_of_answers, to_answers


def from_wanted(wanted: WantedOrder) -> dict[str, Any]:
    customer = wanted.customer
    return {
        "number": wanted.number,
        "customer": [customer.name, customer.email, customer.zone, customer.locale],
        "visitor": wanted.visitor,
        "network": wanted.network,
        "coupon": [wanted.coupon.id, wanted.coupon.code] if wanted.coupon else None,
        "lines": [
            {
                "slot": line.slot.id,
                "seats": line.seats,
                "price": line.unit_price.amount_minor,
                "name": line.service_name,
                "place": line.place,
                "refund": line.refund_percent,
                "attendees": list(line.attendees),
                "answers": rows_of_answers(line.answers),
                "discount": line.discount_minor,
                "emails": list(line.attendee_emails),
            }
            for line in wanted.lines
        ],
    }


def from_move(move: WantedMove) -> dict[str, list[str]]:
    slots = {
        "seen": move.seen,
        "leaves": move.leaves,
        "repriced": sorted(move.repriced),
        "only_as_asked": sorted(move.only_as_asked),
        "keep_as_asked": sorted(move.keep_as_asked),
    }
    return {name: [slot.id for slot in found] for name, found in slots.items()}


def to_move(order_id: str, found: dict[str, list[str]]) -> WantedMove:
    slots = {name: [Slot.parse(slot) for slot in ids] for name, ids in found.items()}
    return WantedMove(
        order_id=order_id,
        seen=tuple(slots["seen"]),
        leaves=tuple(slots["leaves"]),
        repriced=frozenset(slots["repriced"]),
        only_as_asked=frozenset(slots["only_as_asked"]),
        keep_as_asked=frozenset(slots["keep_as_asked"]),
    )


def to_wanted(found: dict[str, Any], currency: str) -> WantedOrder:
    return WantedOrder(
        number=found["number"],
        customer=Customer(*found["customer"]),
        lines=tuple(
            WantedLine(
                slot=Slot.parse(line["slot"]),
                seats=line["seats"],
                unit_price=Money(line["price"], currency),
                service_name=line["name"],
                place=Place(line["place"]),
                refund_percent=line["refund"],
                attendees=tuple(line["attendees"]),
                answers=to_answers(line.get("answers", ())),
                discount_minor=line.get("discount", 0),
                attendee_emails=tuple(line.get("emails", ())),
            )
            for line in found["lines"]
        ),
        visitor=found["visitor"],
        network=found["network"],
        coupon=UsedCoupon(*found["coupon"]) if found.get("coupon") else None,
    )
