"""The only place for what a service asks whoever books it, and which answers are taken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from widget_server.errors import InvalidRequest

QUESTIONS_MAX = 10
QUESTION_LENGTH_MAX = 200
CHOICES_MAX, CHOICE_LENGTH_MAX = 20, 100
ANSWER_LENGTH_MAX, LONG_ANSWER_LENGTH_MAX = 200, 2_000


class QuestionKind(StrEnum):
    TEXT = "text"
    LONG_TEXT = "long_text"
    CHOICE = "choice"
    YES_NO = "yes_no"


@dataclass(frozen=True, slots=True)
class Question:
    """`key` stays when its text is changed."""

    key: str
    text: str
    kind: QuestionKind
    is_required: bool
    choices: tuple[str, ...] = ()
    """Of a CHOICE, one of which is the answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Kept with the booking, with the question as it was asked."""

    question: str
    answer: str | bool
    """A text, or whether it is so."""

    @property
    def said(self) -> str:
        """As operators read it."""
        return self.answer if isinstance(self.answer, str) else "Yes" if self.answer else "No"


def read_answers(
    questions: Sequence[Question], given: Mapping[str, str | bool], *, must_answer: bool = True
) -> tuple[Answer, ...]:
    """Those that were given, in the order of the questions; an empty text is none.

    Raises InvalidRequest with `question`, the key of the one it is about.
    """
    unknown = given.keys() - {question.key for question in questions}
    if unknown:
        raise InvalidRequest("There is no such question: read the service again.", question=min(unknown))
    answers: list[Answer] = []
    for question in questions:
        answer = given.get(question.key, "")
        if answer != "":
            _must_fit(question, answer)
            answers.append(Answer(question.text, answer))
        elif question.is_required and must_answer:
            raise InvalidRequest(f"An answer is needed: {question.text}", question=question.key)
    return tuple(answers)


def _must_fit(question: Question, answer: str | bool) -> None:
    if (question.kind is QuestionKind.YES_NO) is not isinstance(answer, bool):
        raise InvalidRequest("Answer with a text, or with true or false, as it is asked.", question=question.key)
    if isinstance(answer, bool):
        return
    if question.kind is QuestionKind.CHOICE and answer not in question.choices:
        raise InvalidRequest("This is not among the choices.", question=question.key)
    length_max = LONG_ANSWER_LENGTH_MAX if question.kind is QuestionKind.LONG_TEXT else ANSWER_LENGTH_MAX
    if len(answer) > length_max:
        raise InvalidRequest(f"An answer may have up to {length_max} characters.", question=question.key)
    if question.kind is QuestionKind.TEXT and "\n" in answer:
        raise InvalidRequest("This answer has one line only.", question=question.key)
