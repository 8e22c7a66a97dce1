"""The only place that reads who a booking is for, as an operator types it: under the rules of the public API."""

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import ValidationError

from widget_server.domain.questions import Question, QuestionKind, read_answers
from widget_server.domain.schedule import Schedule
from widget_server.domain.sites import Site
from widget_server.errors import InvalidRequest
from widget_server.use_cases.operations import ForCustomer
from widget_server.web.forms import Form
from widget_server.web.taken import EMAIL_LENGTH_MAX, NAME_LENGTH_MAX, NewConfirmation

_PROBLEMS = {
    "name": f"Who is it for? Up to {NAME_LENGTH_MAX} characters.",
    "email": f"This is not an e-mail address of up to {EMAIL_LENGTH_MAX} characters.",
    "attendees": f"One name on each line, up to {NAME_LENGTH_MAX} characters each.",
}


TO_BE_PAID = "This has a price, so it is booked by paying for it only. Your customer does that in the widget."
_WRONG_ANSWER = "This answer cannot be kept: it is too long, or has characters that cannot be printed."


def answer_name(question: Question) -> str:
    """Of its field."""
    return f"answer-{question.key}"


def asked(schedule: Schedule, service: str) -> dict[str, Any]:
    """For a page that asks what the service of this key does."""
    questions = questions_of(schedule, service)
    return {"questions": questions, "asked_labels": {answer_name(one): one.text for one in questions}}


def questions_of(schedule: Schedule, service: str) -> tuple[Question, ...]:
    found = schedule.services.get(service)
    return found.questions if found else ()


def is_to_be_paid(schedule: Schedule, services: Iterable[str]) -> bool:
    """Whether any of these has a price that can be paid: then only whoever pays it can book it."""
    found = [schedule.services[service] for service in services if service in schedule.services]
    return schedule.takes_payments and any(not service.price.is_free for service in found)


def read_customer(form: Form, site: Site, *, seats: int, questions: Sequence[Question] = ()) -> ForCustomer | None:
    """None where something is wrong; that stands in `form.errors` then. No question needs an answer from operators."""
    names = [line.strip() for line in form.text("attendees").splitlines()]
    if len(names) > seats:
        form.refuse("attendees", f"There are more names than seats: {len(names)} for {seats}.")
    customer = {"name": form.text("name"), "email": form.text("email"), "zone": site.zone.key, "locale": site.locale}
    try:
        answers = _typed_answers(form, questions)
        read = NewConfirmation.model_validate(
            {"customer": customer, "attendees": [names[:seats]], "answers": [answers]}
        )
        read_answers(questions, read.answers[0], must_answer=False)
    except InvalidRequest as refusal:
        form.refuse(f"answer-{refusal.details['question']}", refusal.message)
        return None
    except ValidationError as problem:
        for found in problem.errors(include_url=False, include_input=False, include_context=False):
            if found["loc"][0] == "answers":
                form.refuse(f"answer-{found['loc'][2]}", _WRONG_ANSWER)
                continue
            field = next(name for name in _PROBLEMS if name in found["loc"])
            form.refuse(field, _PROBLEMS[field])
        return None
    return None if form.errors else ForCustomer(read.customer.customer(), read.attendees[0], read.answers[0])


def _typed_answers(form: Form, questions: Sequence[Question]) -> dict[str, str | bool]:
    """What was left out is no answer."""
    typed = {question.key: (question, form.text(answer_name(question))) for question in questions}
    return {
        key: text == "yes" if question.kind is QuestionKind.YES_NO else text
        for key, (question, text) in typed.items()
        if text
    }
