"""The only place that reads who a booking is for, as an operator types it: under the rules of the public API."""

from pydantic import ValidationError

from widget_server.domain.sites import Site
from widget_server.use_cases.operations import ForCustomer
from widget_server.web.bodies import EMAIL_LENGTH_MAX, NAME_LENGTH_MAX, NewConfirmation
from widget_server.web.forms import Form

_PROBLEMS = {
    "name": f"Who is it for? Up to {NAME_LENGTH_MAX} characters.",
    "email": f"This is not an e-mail address of up to {EMAIL_LENGTH_MAX} characters.",
    "attendees": f"One name on each line, up to {NAME_LENGTH_MAX} characters each.",
}


def read_customer(form: Form, site: Site, *, seats: int) -> ForCustomer | None:
    """None where something is wrong; that stands in `form.errors` then."""
    names = [line.strip() for line in form.text("attendees").splitlines()]
    if len(names) > seats:
        form.refuse("attendees", f"There are more names than seats: {len(names)} for {seats}.")
    customer = {"name": form.text("name"), "email": form.text("email"), "zone": site.zone.key, "locale": site.locale}
    try:
        read = NewConfirmation.model_validate({"customer": customer, "attendees": [names[:seats]]})
    except ValidationError as problem:
        for found in problem.errors(include_url=False, include_input=False, include_context=False):
            field = next(name for name in _PROBLEMS if name in found["loc"])
            form.refuse(field, _PROBLEMS[field])
        return None
    return None if form.errors else ForCustomer(read.customer.customer(), read.attendees[0])
