"""The only place for amounts of money: integers of minor units plus a currency."""

from dataclasses import dataclass

_WITHOUT_DECIMALS = {
    *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF"),
    "XPF",
}
"""All that Stripe takes without decimals, and two that it takes in hundredths all the same: see `at_stripe`."""
_WITH_THREE_DECIMALS = {"BHD", "JOD", "KWD", "OMR", "TND"}

AMOUNT_MAX = 2**31 - 1
"""PostgreSQL keeps no greater amount, in minor units. Twenty times as much as can be charged at once."""


@dataclass(frozen=True, slots=True)
class Money:
    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        assert self.amount_minor >= 0
        assert len(self.currency) == 3, "ISO 4217"
        assert self.currency.isupper(), "ISO 4217"

    def __add__(self, other: "Money") -> "Money":
        assert self.currency == other.currency
        return Money(self.amount_minor + other.amount_minor, self.currency)

    def times(self, count: int) -> "Money":
        return Money(self.amount_minor * count, self.currency)

    def less(self, amount_minor: int) -> "Money":
        """So much of it is taken off, at most all."""
        return Money(self.amount_minor - amount_minor, self.currency)

    @property
    def is_free(self) -> bool:
        return self.amount_minor == 0


@dataclass(frozen=True, slots=True)
class Difference:
    """Between two prices: what is to be paid besides, or goes back where it is less than nothing."""

    amount_minor: int
    currency: str


def digits_of(currency: str) -> int:
    """So many decimals do its amounts have."""
    return 0 if currency in _WITHOUT_DECIMALS else 3 if currency in _WITH_THREE_DECIMALS else 2
