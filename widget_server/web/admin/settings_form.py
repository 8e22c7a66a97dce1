"""The only place that turns a site's settings into a form and back."""

import re
from dataclasses import replace
from zoneinfo import ZoneInfo

from widget_server.domain.origins import ORIGINS_MAX, allowed_origin
from widget_server.domain.sites import (
    HOLD_MINUTES_MAX,
    HOLD_MINUTES_MIN,
    RECEIPT_SELLER_LENGTH_MAX,
    RECEIPT_TAX_LENGTH_MAX,
    Site,
)
from widget_server.use_cases.sites import mark
from widget_server.web.admin.choices import CURRENCIES, THEMES, Choice, find_zone, locales, with_present
from widget_server.web.forms import Form

NAME_LENGTH_MAX = 200
_COLOUR = re.compile(r"#?([0-9a-f]{3}|[0-9a-f]{6})", re.IGNORECASE | re.ASCII)
_ORIGIN_ERRORS_SHOWN = 5


def form_of(site: Site) -> Form:
    return Form(
        {
            "seen": mark(site),
            "name": site.name,
            "zone": site.zone.key,
            "locale": site.locale,
            "currency": site.currency,
            "holds_on": "on" if site.holds_on else "",
            "is_test": "on" if site.is_test else "",
            "hold_minutes": str(site.hold_minutes),
            "theme": site.theme,
            "accent": site.accent,
            "origins": "\n".join(site.origins),
            "staff_enter_shifts": "on" if site.staff_enter_shifts else "",
            "receipt_seller": site.receipt_seller,
            "receipt_tax": site.receipt_tax,
        }
    )


def read_settings(form: Form, present: Site) -> Site:
    """The site as the form wants it. Where `form.errors` is filled afterwards, those fields are as they were."""
    return replace(
        present,
        name=read_name(form) or present.name,
        zone=read_zone(form) or present.zone,
        locale=read_choice(form, "locale", with_present(locales(), present.locale)) or present.locale,
        currency=read_choice(form, "currency", with_present(CURRENCIES, present.currency)) or present.currency,
        holds_on=form.text("holds_on") == "on",
        is_test=form.text("is_test") == "on",
        hold_minutes=_hold_minutes(form) or present.hold_minutes,
        theme=read_choice(form, "theme", with_present(THEMES, present.theme)) or present.theme,
        accent=_accent(form) or present.accent,
        origins=_origins(form),
        staff_enter_shifts=form.text("staff_enter_shifts") == "on",
        receipt_seller=form.text_within("receipt_seller", RECEIPT_SELLER_LENGTH_MAX),
        receipt_tax=form.text_within("receipt_tax", RECEIPT_TAX_LENGTH_MAX, one_line=True),
    )


def read_name(form: Form) -> str:
    return form.text_within("name", NAME_LENGTH_MAX, wanted="Give your site a name.", one_line=True)


def read_zone(form: Form) -> ZoneInfo | None:
    zone = find_zone(form.text("zone"))
    if zone is None:
        form.refuse("zone", "There is no such time zone. Type a larger city in it, or one of the list: Europe/Berlin.")
    return zone


def read_choice(form: Form, name: str, choices: tuple[Choice, ...]) -> str | None:
    chosen = form.text(name)
    if all(choice.value != chosen for choice in choices):
        form.refuse(name, "Choose one from the list.")
        return None
    return chosen


def _hold_minutes(form: Form) -> int | None:
    typed = form.text("hold_minutes")
    minutes = int(typed) if re.fullmatch(r"\d{1,4}", typed, re.ASCII) else 0
    if not HOLD_MINUTES_MIN <= minutes <= HOLD_MINUTES_MAX:
        form.refuse("hold_minutes", f"Use a whole number of minutes from {HOLD_MINUTES_MIN} to {HOLD_MINUTES_MAX}.")
        return None
    return minutes


def _accent(form: Form) -> str | None:
    match = _COLOUR.fullmatch(form.text("accent"))
    if match is None:
        form.refuse("accent", "Use a colour such as #2f6f5e: a # and six of 0-9 and a-f.")
        return None
    digits = match[1].lower()
    return "#" + (digits if len(digits) == 6 else "".join(digit * 2 for digit in digits))


def _origins(form: Form) -> tuple[str, ...]:
    """Each once, in the order typed. Raises nothing: what is wrong stands in `form.errors`, a line for each."""
    typed = [line.strip().rstrip(",;") for line in form.text("origins").splitlines() if line.strip()]
    if len(typed) > ORIGINS_MAX:
        form.refuse("origins", f"At most {ORIGINS_MAX} can be allowed.")
        return ()
    origins, problems = [], []
    for line in typed:
        try:
            origins.append(allowed_origin(line))
        except ValueError as problem:
            problems.append(f"“{_shortened(line)}”: {problem}")
    if problems:
        form.refuse("origins", "\n".join(problems[:_ORIGIN_ERRORS_SHOWN]))
    return tuple(dict.fromkeys(origins))


def _shortened(line: str) -> str:
    return line if len(line) <= 60 else f"{line[:59]}…"
