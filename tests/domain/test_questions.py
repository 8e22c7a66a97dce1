"""Which answers are taken to which questions."""

import pytest

from widget_server.domain.questions import (
    ANSWER_LENGTH_MAX,
    LONG_ANSWER_LENGTH_MAX,
    Answer,
    Question,
    QuestionKind,
    read_answers,
)
from widget_server.errors import InvalidRequest

LEVEL = Question("level", "Your level?", QuestionKind.CHOICE, is_required=True, choices=("New", "Some"))
ALLERGIES = Question("allergies", "Any allergies?", QuestionKind.LONG_TEXT, is_required=False)
MAT = Question("mat", "Do you bring a mat?", QuestionKind.YES_NO, is_required=True)
FROM = Question("from", "Where from?", QuestionKind.TEXT, is_required=False)
ALL = (LEVEL, ALLERGIES, MAT, FROM)


def test_answers_are_kept_with_their_questions_in_the_order_of_these() -> None:
    given: dict[str, str | bool] = {"mat": False, "from": "Oslo", "level": "New", "allergies": "Nuts,\nmilk"}

    assert read_answers(ALL, given) == (
        Answer("Your level?", "New"),
        Answer("Any allergies?", "Nuts,\nmilk"),
        Answer("Do you bring a mat?", answer=False),
        Answer("Where from?", "Oslo"),
    )


def test_nothing_is_no_answer_and_no_is_one() -> None:
    given: dict[str, str | bool] = {"level": "New", "mat": False, "from": ""}

    assert read_answers(ALL, given)[1:] == (Answer("Do you bring a mat?", answer=False),)
    assert read_answers((), {}) == ()
    assert Answer("Mat?", answer=False).said == "No"


@pytest.mark.parametrize(
    ("asked", "changes"),
    [
        ("level", {"level": ""}),
        ("mat", {"mat": ""}),
        ("level", {"level": "Much"}),
        ("level", {"level": True}),
        ("mat", {"mat": "yes"}),
        ("from", {"from": False}),
        ("from", {"from": "Oslo\nBergen"}),
        ("from", {"from": "x" * (ANSWER_LENGTH_MAX + 1)}),
        ("allergies", {"allergies": "x" * (LONG_ANSWER_LENGTH_MAX + 1)}),
        ("shoes", {"shoes": "43"}),
    ],
)
def test_what_is_missing_or_does_not_fit_is_refused_with_its_question(
    asked: str, changes: dict[str, str | bool]
) -> None:
    given: dict[str, str | bool] = {"level": "New", "mat": True}

    with pytest.raises(InvalidRequest) as refused:
        read_answers(ALL, given | changes)

    assert refused.value.details == {"question": asked}


def test_operators_may_leave_out_what_customers_must_answer() -> None:
    assert read_answers(ALL, {}, must_answer=False) == ()
