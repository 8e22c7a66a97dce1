"""The only place that says how questions and their answers are kept: as lists in the rows of services and bookings."""

from collections.abc import Iterable
from typing import Any

from widget_server.domain.questions import Answer, Question, QuestionKind


def rows_of_questions(questions: Iterable[Question]) -> list[dict[str, Any]]:
    return [
        {
            "key": question.key,
            "text": question.text,
            "kind": question.kind.value,
            "is_required": question.is_required,
            "choices": list(question.choices),
        }
        for question in questions
    ]


def to_questions(rows: Iterable[dict[str, Any]]) -> tuple[Question, ...]:
    return tuple(
        Question(row["key"], row["text"], QuestionKind(row["kind"]), row["is_required"], tuple(row["choices"]))
        for row in rows
    )


def rows_of_answers(answers: Iterable[Answer]) -> list[dict[str, Any]]:
    return [{"question": one.question, "answer": one.answer} for one in answers]


def to_answers(rows: Iterable[dict[str, Any]]) -> tuple[Answer, ...]:
    return tuple(Answer(row["question"], row["answer"]) for row in rows)
