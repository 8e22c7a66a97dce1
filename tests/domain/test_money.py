import pytest

from widget_server.domain.money import Money


def test_amounts_of_one_currency_add_up() -> None:
    assert Money(1050, "EUR") + Money(250, "EUR").times(3) == Money(1800, "EUR")


def test_nothing_to_pay_is_free() -> None:
    assert Money(0, "EUR").is_free
    assert Money(1050, "EUR").times(0).is_free
    assert not Money(1, "EUR").is_free


def test_euros_and_yen_are_never_added() -> None:
    with pytest.raises(AssertionError):
        Money(1, "EUR") + Money(1, "JPY")


@pytest.mark.parametrize(("amount_minor", "currency"), [(-1, "EUR"), (1, "eur"), (1, "EURO"), (1, "")])
def test_an_amount_is_never_negative_and_names_its_currency_as_iso_4217_does(amount_minor: int, currency: str) -> None:
    with pytest.raises(AssertionError):
        Money(amount_minor, currency)
