import pytest

from tests.use_cases.office import MovedClock
from widget_server.errors import TooManyTries
from widget_server.use_cases.tries import KEYS_MAX, WINDOW, Tries


def test_a_refused_try_does_not_lengthen_the_wait() -> None:
    clock = MovedClock()
    tries = Tries(clock)
    tries.spend([("anna", 1)])
    clock.advance(WINDOW / 2)

    with pytest.raises(TooManyTries, match="Wait 8 minutes"):
        tries.spend([("anna", 1)])
    clock.advance(WINDOW / 2)
    tries.spend([("anna", 1)])


def test_a_try_refused_under_one_key_is_not_counted_under_the_other() -> None:
    tries = Tries(MovedClock())
    tries.spend([("anna", 1)])

    with pytest.raises(TooManyTries):
        tries.spend([("network", 1), ("anna", 1)])
    tries.spend([("network", 1)])


def test_after_a_success_counting_begins_anew() -> None:
    tries = Tries(MovedClock())
    tries.spend([("anna", 1)])

    tries.forget("anna")
    tries.forget("nobody")

    tries.spend([("anna", 1)])


def test_memory_is_bounded_and_the_oldest_go_first() -> None:
    tries = Tries(MovedClock())

    for number in range(KEYS_MAX + 1):
        tries.spend([(str(number), 1)])

    tries.spend([("0", 1)])
    with pytest.raises(TooManyTries):
        tries.spend([(str(KEYS_MAX), 1)])


def test_several_count_at_once_or_not_at_all() -> None:
    tries = Tries(MovedClock())
    tries.spend([("network", 3)], tries=2)

    with pytest.raises(TooManyTries):
        tries.spend([("network", 3)], tries=2)
    tries.spend([("network", 3)])
