"""The only place that turns what a service asks into rows of its form and back; adds, removes and moves them."""

import re
from collections.abc import Sequence

from widget_server.domain.questions import (
    CHOICE_LENGTH_MAX,
    CHOICES_MAX,
    QUESTION_LENGTH_MAX,
    QUESTIONS_MAX,
    Question,
    QuestionKind,
)
from widget_server.ids import hash_secret
from widget_server.web.admin.choices import Choice
from widget_server.web.forms import Form

KINDS = (
    Choice(QuestionKind.TEXT, "One line of text"),
    Choice(QuestionKind.LONG_TEXT, "Longer text"),
    Choice(QuestionKind.CHOICE, "One of several choices"),
    Choice(QuestionKind.YES_NO, "Yes or no"),
)
_COUNT = "questions"
_PARTS = ("key", "text", "kind", "choices", "required")
_ACT = re.compile(r"(add|remove|up|down)(?:-(\d{1,2}))?", re.ASCII)


def name_of(number: int, part: str) -> str:
    return f"question_{number}_{part}"


def rows_of(form: Form) -> range:
    """The numbers of its rows, from 1 on."""
    count = form.text(_COUNT)
    return range(1, 1 + (min(int(count), QUESTIONS_MAX) if re.fullmatch(r"\d{1,2}", count, re.ASCII) else 0))


def labels_of(form: Form) -> dict[str, str]:
    """For the list of what is wrong."""
    said = {"text": "", "kind": ", kind", "choices": ", choices"}
    return {name_of(n, part): f"Question {n}{more}" for n in rows_of(form) for part, more in said.items()} | {
        _COUNT: "Questions"
    }


def typed_questions(questions: Sequence[Question]) -> dict[str, str]:
    """As fields of a form."""
    rows = [
        {
            "key": question.key,
            "text": question.text,
            "kind": question.kind.value,
            "choices": "\n".join(question.choices),
            "required": "on" if question.is_required else "",
        }
        for question in questions
    ]
    return _values(rows)


def rearrange(form: Form) -> str | None:
    """What a button of the rows wants, done to what is typed, whatever that is: nothing is saved, and nothing lost.

    The field to go on with, or None where no such button was pressed.
    """
    act = _ACT.fullmatch(form.text("rearrange"))
    if act is None:
        return None
    rows, number = _rows(form), int(act[2] or 0)
    focus = _act(act[1], rows, number)
    for name in [name for name in form.values if name.startswith("question_")]:
        del form.values[name]
    form.values |= _values(rows)
    return name_of(focus, "text") if rows else "add-question"


def read_questions(form: Form) -> tuple[Question, ...]:
    """Those that have a text; what is wrong with one stands at its fields."""
    found: list[Question] = []
    used = {row["key"] for row in _rows(form)}
    taken = set[str]()
    for number, row in enumerate(_rows(form), 1):
        text = " ".join(row["text"].split())
        if not text:
            form.refuse(name_of(number, "text"), "What do you want to ask? Or remove this question.")
        elif len(text) > QUESTION_LENGTH_MAX:
            form.refuse(name_of(number, "text"), f"Use at most {QUESTION_LENGTH_MAX} characters.")
        elif any(question.text == text for question in found):
            form.refuse(name_of(number, "text"), "This is asked twice.")
        if row["kind"] not in set(QuestionKind):
            form.refuse(name_of(number, "kind"), "Choose one of these.")
            continue
        kind = QuestionKind(row["kind"])
        choices = _choices(form, number, row["choices"]) if kind is QuestionKind.CHOICE else ()
        is_ours = re.fullmatch(r"[0-9a-f]{8}", row["key"]) and row["key"] not in taken
        key = row["key"] if is_ours else _new_key(text, used | taken)
        taken.add(key)
        found.append(Question(key, text, kind, row["required"] == "on", choices))
    return tuple(found)


def _act(act: str, rows: list[dict[str, str]], number: int) -> int:
    """The number of the row to go on with."""
    if act == "add":
        if len(rows) < QUESTIONS_MAX:
            rows.append(dict.fromkeys(_PARTS, "") | {"kind": QuestionKind.TEXT.value})
        return len(rows)
    if not 1 <= number <= len(rows):
        return 1
    row = rows.pop(number - 1)
    if act == "remove":
        return max(1, min(number, len(rows)))
    place = max(0, number - 2) if act == "up" else min(number, len(rows))
    rows.insert(place, row)
    return place + 1


def _rows(form: Form) -> list[dict[str, str]]:
    return [{part: form.text(name_of(number, part)) for part in _PARTS} for number in rows_of(form)]


def _values(rows: Sequence[dict[str, str]]) -> dict[str, str]:
    fields = {name_of(number, part): row[part] for number, row in enumerate(rows, 1) for part in _PARTS}
    return {_COUNT: str(len(rows))} | fields


def _choices(form: Form, number: int, typed: str) -> tuple[str, ...]:
    """One on each line, each once."""
    choices = tuple(dict.fromkeys(line for each in typed.splitlines() if (line := " ".join(each.split()))))
    if len(choices) < 2:
        form.refuse(name_of(number, "choices"), "Write at least two choices, one on each line.")
    elif len(choices) > CHOICES_MAX:
        form.refuse(name_of(number, "choices"), f"Use at most {CHOICES_MAX} choices.")
    elif any(len(choice) > CHOICE_LENGTH_MAX for choice in choices):
        form.refuse(name_of(number, "choices"), f"Use at most {CHOICE_LENGTH_MAX} characters for each choice.")
    return choices


def _new_key(text: str, used: set[str]) -> str:
    """The same for the same form, however often it is sent; what was asked before never gets a new meaning."""
    number = 0
    while (key := hash_secret(f"{text}/{number}")[:8]) in used:
        number += 1
    return key
