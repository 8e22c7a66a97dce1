import pytest

from widget_server.domain.methods import Method


@pytest.mark.parametrize(
    ("method", "shown"),
    [
        (Method("card", "visa", "4242"), "Visa •••• 4242"),
        (Method("card", "amex"), "American Express"),
        (Method("card", "unknown", "4242"), "•••• 4242"),
        (Method("ideal"), "iDEAL"),
        (Method("sepa_debit", last4="3000"), "SEPA Direct Debit •••• 3000"),
        (Method("of_next_year", "of_theirs", "4242"), ""),
    ],
)
def test_a_method_is_shown_by_its_proper_name_and_what_has_none_is_not(method: Method, shown: str) -> None:
    assert method.shown == shown
