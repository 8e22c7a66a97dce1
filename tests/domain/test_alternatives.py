"""What is offered to whoever has paid too late: whole orders, made of what can be had for each line."""

from tests.house import PRIVATE, slot
from widget_server.domain.alternatives import OFFERED_MAX, combined, nearest_after

EIGHT, NINE, TEN, ELEVEN, TWELVE = (slot(PRIVATE, number=number) for number in range(5))


def test_the_next_times_come_first_and_then_the_last_before() -> None:
    free = {EIGHT, NINE, ELEVEN, TWELVE}

    assert nearest_after(free, TEN, many=2) == (ELEVEN, TWELVE)
    assert nearest_after(free, TEN, many=9) == (ELEVEN, TWELVE, NINE, EIGHT)


def test_a_line_that_stays_is_in_every_order() -> None:
    assert combined([(EIGHT,), (TEN, ELEVEN, TWELVE)]) == [(EIGHT, TEN), (EIGHT, ELEVEN), (EIGHT, TWELVE)]


def test_two_lines_with_the_same_choices_get_different_times() -> None:
    same = (NINE, TEN, ELEVEN, TWELVE)

    assert combined([same, same]) == [(NINE, TEN), (TEN, ELEVEN), (ELEVEN, TWELVE)]
    assert combined([same[:2], same[:2]]) == [(NINE, TEN)]


def test_no_order_lacks_a_line() -> None:
    assert combined([(EIGHT, NINE), ()]) == []
    assert combined([(EIGHT,), (EIGHT,)]) == []


def test_no_more_is_offered_than_can_be_looked_at() -> None:
    assert len(combined([(EIGHT, NINE, TEN, ELEVEN, TWELVE)])) == OFFERED_MAX
