"""The only place for what all bodies of /v1 have in common: strictness, instants, lines and money."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints

from widget_server.clock import iso
from widget_server.domain.holds import Line
from widget_server.domain.money import Difference, Money
from widget_server.domain.policies import LINES_MAX, SEATS_MAX
from widget_server.domain.slots import Slot


def _slot_id(text: str) -> str:
    Slot.parse(text)
    return text


SlotId = Annotated[str, StringConstraints(max_length=100), AfterValidator(_slot_id)]
Instant = Annotated[datetime, PlainSerializer(iso, return_type=str)]


class Body(BaseModel):
    """Unknown fields and loose types are refused: a misspelt field must not be ignored in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LineBody(Body):
    slot: SlotId
    seats: Annotated[int, Field(strict=True, ge=1, le=SEATS_MAX)]

    def line(self) -> Line:
        return Line(Slot.parse(self.slot), self.seats)


Lines = Annotated[tuple[LineBody, ...], Field(min_length=1, max_length=LINES_MAX)]


class MoneyBody(Body):
    amount: int
    currency: str

    @staticmethod
    def of(money: Money | Difference) -> "MoneyBody":
        return MoneyBody(amount=money.amount_minor, currency=money.currency)
