from datetime import UTC, datetime

import pytest

from widget_server.domain.spans import NOTHING, Span, Spans, merged


def at(hour: int) -> datetime:
    return datetime(2026, 11, 21, hour, tzinfo=UTC)


def span(starts: int, ends: int) -> Span:
    return at(starts), at(ends)


def test_spans_that_overlap_or_adjoin_become_one_and_empty_ones_vanish() -> None:
    assert merged([span(14, 16), span(9, 11), span(11, 12), span(10, 11), span(13, 13)]) == [span(9, 12), span(14, 16)]
    assert merged([span(9, 17), span(10, 11), span(16, 18)]) == [span(9, 18)]


@pytest.mark.parametrize(
    ("starts", "ends", "meets", "covers"),
    [
        (8, 9, False, False),
        (8, 10, True, False),
        (9, 12, True, True),
        (10, 11, True, True),
        (11, 13, True, False),
        (12, 14, False, False),
        (13, 15, True, False),
        (16, 17, False, False),
        (8, 18, True, False),
    ],
)
def test_a_span_meets_what_it_shares_an_instant_with(starts: int, ends: int, meets: bool, covers: bool) -> None:
    spans = Spans([span(9, 11), span(11, 12), span(14, 16)])

    assert spans.meet(at(starts), at(ends)) is meets
    assert spans.cover(at(starts), at(ends)) is covers


def test_nothing_meets_nothing() -> None:
    assert not NOTHING.meet(at(0), at(23))
    assert not NOTHING.cover(at(9), at(10))
