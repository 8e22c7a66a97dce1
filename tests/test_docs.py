"""What the documents say of the product is so, and what the product has is in the documents."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import BaseModel
from starlette.routing import Route

from tests.engine.box import site
from widget_server.cli import _COMMANDS, _parser
from widget_server.domain.coupons import WhyNot
from widget_server.domain.holds import HoldState
from widget_server.domain.messages import Kind as Message
from widget_server.domain.messages import Role
from widget_server.domain.money import Money
from widget_server.domain.move_requests import ALTERNATIVES_MAX, MESSAGE_LETTERS_MAX
from widget_server.domain.my_bookings import LINK_LIFE
from widget_server.domain.orders import OrderState
from widget_server.domain.payments import MIN_LEFT, MINIMUM_MINOR, PAYMENT_WINDOW, AttemptState
from widget_server.domain.policies import (
    HOLDS_PER_NETWORK_MAX,
    HOLDS_PER_VISITOR_MAX,
    LINES_MAX,
    RANGE_DAYS_MAX,
    SEATS_MAX,
)
from widget_server.domain.questions import ANSWER_LENGTH_MAX, LONG_ANSWER_LENGTH_MAX, QUESTIONS_MAX
from widget_server.domain.sites import HOLD_MINUTES_MAX, HOLD_MINUTES_MIN
from widget_server.domain.slot_files import BYTES_MAX, ROWS_MAX
from widget_server.domain.slots import SlotState
from widget_server.domain.why_not import SEARCH_DAYS_MAX, Reason
from widget_server.engine.cluster import ClusterAddress
from widget_server.engine.connection import address_of
from widget_server.engine.live_holds import FOUND_MAX, READ_MAX
from widget_server.engine.reservations import LIMIT_LENGTHS
from widget_server.engine.sentinel import SentinelAddress
from widget_server.engine.wire import FORMS, OPTIONS, Address
from widget_server.errors import Refusal
from widget_server.live import wire
from widget_server.messages.composing import READERS
from widget_server.settings import Settings
from widget_server.store.attempts import ENDED_KEPT
from widget_server.use_cases.coupons import WRONG_CODES_PER_NETWORK_MAX
from widget_server.use_cases.findings import MENDS, Kind
from widget_server.use_cases.my_bookings import LINKS_PER_ADDRESS_MAX, LINKS_PER_NETWORK_MAX, PAGE_LINES
from widget_server.use_cases.opening import CHECKOUTS_PER_NETWORK_MAX
from widget_server.use_cases.payment_accounts import EVENTS, PERMISSIONS
from widget_server.use_cases.posting import FIRST_PAUSE, KEPT_FOR, PAUSE_MAX
from widget_server.web import app, offers, taken
from widget_server.web.admin.messages import STATES
from widget_server.web.admin.pages import ROOMS
from widget_server.web.admin.settings_form import form_of
from widget_server.web.admin.writing import amount
from widget_server.web.api.answers import ANSWERED_BYTES_MAX, BODY_BYTES_MAX
from widget_server.web.api.description import document
from widget_server.web.bodies import HoldAnswer
from widget_server.web.bodies.coupons import QuoteAnswer
from widget_server.web.bodies.my_bookings import MyBookingsAnswer
from widget_server.web.bodies.orders import CheckoutAnswer, ConfirmationAnswer, MoveRequestBody
from widget_server.web.bodies.payments import OfferedBody
from widget_server.web.bodies.receipts import ReceiptAnswer
from widget_server.web.routes import all_routes

ROOT = Path(__file__).parents[1]
API, SETTINGS, EMBEDDING, PAYMENTS, MESSAGES, CALENDAR = (
    (ROOT / "docs" / f"{name}.md").read_text("utf-8")
    for name in ("api", "settings", "embedding", "payments", "messages", "calendar")
)
DOCUMENTS = sorted(str(path.relative_to(ROOT)) for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
README, ARCHITECTURE = ((ROOT / f"{name}.md").read_text("utf-8") for name in ("README", "ARCHITECTURE"))
EMBED = (ROOT / "widget_static" / "embed.js").read_text("utf-8")
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)

Calls = set[tuple[str, str]]


def headings(text: str, level: int) -> list[str]:
    return re.findall(rf"^{'#' * level} (.+)$", text, re.MULTILINE)


def rows(text: str, below: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its own head."""
    section = text[text.index(f"## {below}") :]
    lines = re.findall(r"^\|(.+)\|$", section.split("\n## ")[0], re.MULTILINE)
    return [[cell.strip().strip("`") for cell in line.split(" | ")] for line in lines[2:]]


def refusals(root: type[Refusal] = Refusal) -> list[type[Refusal]]:
    return [found for each in root.__subclasses__() for found in (each, *refusals(each))]


def calls_of_routes() -> Calls:
    routes = [route for route in all_routes() if isinstance(route, Route) and route.path.startswith("/v1/")]
    return {(method, route.path) for route in routes for method in (route.methods or set()) - {"HEAD"}}


def test_every_call_has_its_heading_and_every_heading_its_call() -> None:
    described = {(method, path) for method, path in (h.split(" ", 1) for h in headings(API, 2) if " /" in h)}

    assert described == calls_of_routes()


def test_the_description_for_machines_has_every_call() -> None:
    described = {(method.upper(), path) for path, methods in document()["paths"].items() for method in methods}

    assert described == calls_of_routes()


def test_every_refusal_has_its_row_and_every_row_its_refusal() -> None:
    ours = {(refusal.code, str(refusal.status)) for refusal in refusals()}
    ours |= {(code, str(status)) for status, code in app._CODES.items()} | {("failed", "500")}

    assert {(code, status) for code, status, _ in rows(API, "Errors")} == ours


def test_the_tree_of_refusals_is_drawn_as_it_is() -> None:
    drawn = re.findall(r"── (\w+) +(\d{3})  (\w+)", (ROOT / "widget_server" / "errors.py").read_text("utf-8"))

    assert drawn == [(refusal.__name__, str(refusal.status), refusal.code) for refusal in refusals()]


def test_states_and_events_are_named_as_they_are() -> None:
    assert {state for state, _ in rows(API, "GET /v1/sites/{site}/services/{service}/avail")} == set(SlotState)
    of_days = API.split("`why_not` has each day")[1].split("\n\n")[1]
    assert set(re.findall(r"[-;] `(\w+)`:", of_days)) == set(Reason)
    assert {why for why, _ in rows(API, "POST /v1/sites/{site}/quotes")} == set(WhyNot)
    events = {event for event, *_ in rows(API, "GET /v1/sites/{site}/feed")}
    told = [wire.hello(NOON), wire.seats([], id=None), wire.schedule(1, id=None), wire.reset(1, id=None), wire.BYE]
    assert events == {event.split()[1].decode() for event in told}
    of_payment = API.split("An order that is being paid has one of these states:")[1].split("\n\n")[1]
    assert set(re.findall(r"^\| `(\w+)`", of_payment, re.MULTILINE)) == set(OrderState)
    of_hold = API.split("## GET /v1/sites/{site}/holds/{id}")[1].split("\n## ")[0]
    assert set(re.findall(r"`(\w+)`", of_hold)) - {"state"} == set(HoldState)


def test_limits_are_told_as_they_are() -> None:
    for told in (
        f"at most {RANGE_DAYS_MAX}.",
        f"at most {SEARCH_DAYS_MAX} days after",
        f"Bodies may have up to {BODY_BYTES_MAX // 1024} KiB, those of a confirmation or a checkout up to "
        f"{ANSWERED_BYTES_MAX // 1024} KiB.",
        f"at most {HOLDS_PER_VISITOR_MAX} live holds a visitor",
        f"at most {HOLDS_PER_NETWORK_MAX} live holds a network",
        f"At most {LINES_MAX} lines, and {SEATS_MAX} seats a line",
        f"(one line, up to {ANSWER_LENGTH_MAX} characters), `long_text` (up to\n{LONG_ANSWER_LENGTH_MAX:,})",
        f"Each address gets at most {LINKS_PER_ADDRESS_MAX} an hour,",
        f"each network asks for at most {LINKS_PER_NETWORK_MAX}:",
        f"last come first, at most {PAGE_LINES};",
        f"A network may send {WRONG_CODES_PER_NETWORK_MAX} codes that are none",
        f'{{"valid_minutes": {LINK_LIFE // timedelta(minutes=1)}}}',
    ):
        assert told in API, told
    assert (
        f"{LINKS_PER_NETWORK_MAX} links to\n*My bookings* an hour and {CHECKOUTS_PER_NETWORK_MAX} checkouts" in SETTINGS
    )
    assert f"{HOLD_MINUTES_MIN} to {HOLD_MINUTES_MAX} minutes." in SETTINGS
    assert LIMIT_LENGTHS == 3
    assert "up to three hold lengths in all" in SETTINGS


EXAMPLES: list[tuple[str, list[type[BaseModel]]]] = [
    ("GET /v1/sites/{site}/services", [offers.ServicesAnswer]),
    ("GET /v1/sites/{site}/services/{service}/availability", [offers.AvailabilityAnswer]),
    ("GET /v1/sites/{site}/services/{service}/next", [offers.NextAnswer]),
    ("POST /v1/sites/{site}/quotes", [taken.NewQuote, QuoteAnswer]),
    ("POST /v1/sites/{site}/holds", [taken.NewHold, HoldAnswer]),
    ("POST /v1/sites/{site}/holds/{id}/confirmation", [taken.NewConfirmation, ConfirmationAnswer]),
    ("POST /v1/sites/{site}/holds/{id}/checkout", [taken.NewCheckout, CheckoutAnswer]),
    ("GET /v1/sites/{site}/orders/{id}", [MoveRequestBody]),
    ("GET /v1/sites/{site}/orders/{id}/receipt", [ReceiptAnswer]),
    ("POST /v1/sites/{site}/orders/{id}/choice", [OfferedBody]),
    ("POST /v1/sites/{site}/orders/{id}/reschedule", [taken.NewReschedule]),
    ("GET /v1/sites/{site}/my-bookings", [MyBookingsAnswer]),
]


@pytest.mark.parametrize(("heading", "models"), EXAMPLES, ids=[heading for heading, _ in EXAMPLES])
def test_examples_are_what_is_taken_and_answered(heading: str, models: list[type[BaseModel]]) -> None:
    section = API.split(f"## {heading}\n")[1].split("\n## ")[0]
    examples = re.findall(r"```json\n(.*?)```", section, re.DOTALL)

    assert len(examples) == len(models)
    for example, model in zip(examples, models, strict=True):
        model.model_validate_json(example)
        assert set(json.loads(example)) >= {
            field.alias or name for name, field in model.model_fields.items() if field.is_required()
        }
    assert sum(len(models) for _, models in EXAMPLES) == API.count("```json\n")


def test_every_environment_variable_has_its_heading() -> None:
    described = [heading for heading in headings(SETTINGS, 3) if heading.startswith("TENUTO_")]

    assert sorted(described) == sorted(f"TENUTO_{name.upper()}" for name in Settings.model_fields)


def test_defaults_are_told_as_they_are() -> None:
    for name, field in Settings.model_fields.items():
        section = SETTINGS.split(f"### TENUTO_{name.upper()}\n")[1].split("\n#")[0]
        if field.default not in (None, ""):
            assert f"Default `{field.default}`" in section or f"Default {field.default}." in section, name


def test_every_form_of_the_address_of_redis_is_described_and_understood() -> None:
    section = SETTINGS.split("### TENUTO_REDIS_URL\n")[1].split("\n#")[0]
    urls = [form for form, _ in rows(f"## x\n{section}", "x")]

    assert [url.partition("://")[0] + "://" for url in urls] == list(FORMS)
    assert [type(address_of(url)) for url in urls] == [Address, Address, Address, SentinelAddress, ClusterAddress]
    assert set(re.findall(r"`((?:ssl|sentinel)_\w+)`", section)) == {
        *(option for option in OPTIONS if option.startswith("ssl_")),
        *("sentinel_username", "sentinel_password"),
    }


def test_every_field_of_the_settings_page_has_its_heading() -> None:
    section = SETTINGS.split("## For one site: the settings page")[1]
    titles = {
        "name": "Name",
        "holds_on": "Holds",
        "hold_minutes": "Hold length",
        "is_test": "Test mode",
        "zone": "Time zone",
        "currency": "Currency",
        "locale": "Language",
        "theme": "Theme",
        "accent": "Accent colour",
        "origins": "Allowed origins",
        "receipt_seller": "Who sells",
        "receipt_tax": "About taxes",
        "staff_enter_shifts": "Staff enter their own shifts",
    }

    assert headings(section, 3) == [*titles.values(), "Snippet"]
    assert set(form_of(site()).values) - {"seen"} == set(titles)


def test_every_attribute_of_the_element_is_described() -> None:
    described = [attribute for attribute, *_ in rows(EMBEDDING, "Attributes")]

    assert set(described) == read_attributes()
    assert set(re.search(r"<tenuto-booking ([\w ]+)>", EMBED)[1].split()) <= set(described)  # type: ignore[index]


def read_attributes() -> set[str]:
    listed = re.findall(r"\[((?:\"\w+\"(?:, )?)+)\]", EMBED)
    lists = {name for names in listed for name in re.findall(r'"(\w+)"', names)} - {"id", "secret", "visitor"}
    return lists | set(re.findall(r'getAttribute\("(\w+)"\)', EMBED))


def test_every_event_of_the_element_is_described_with_what_it_carries() -> None:
    told = re.findall(r'#tell\("([\w-]+)"(?:, \{ (.*?) \})?\)', EMBED)
    ours = {f"tenuto:{name}": set(re.findall(r"(\w+):", detail)) for name, detail in told}
    described = {event: set(re.findall(r"\w+", detail)) for event, detail, _ in rows(EMBEDDING, "Events")}

    assert described == ours
    assert set(re.findall(r"tenuto:[\w-]+", EMBEDDING)) == set(ours)


def test_every_kind_of_finding_is_described_with_what_mends_it() -> None:
    operations = (ROOT / "docs" / "operations.md").read_text("utf-8")
    described = {kind: mends for kind, _, mends in rows(operations, "Auditing")}

    assert set(described) == {kind.value for kind in Kind}
    for kind, mends in described.items():
        assert ("rebuild" in mends) == ("rebuild" in MENDS[Kind(kind)]), kind
        assert ("nobody" in mends) == ("nothing by itself" in MENDS[Kind(kind)]), kind


def test_payments_are_described_as_they_are() -> None:
    events, permissions = (section_rows(heading) for heading in ("### 4. The webhook", "### 3. A restricted key"))

    assert {event for event, _ in events} == set(EVENTS)
    assert tuple(name for name, *_ in permissions) == PERMISSIONS
    assert {state for state, _ in rows(PAYMENTS, "How the money flows")} == set(AttemptState)
    least = {currency: amount(Money(minor, currency)) for currency, minor in MINIMUM_MINOR.items()}
    assert dict(rows(PAYMENTS, "Currencies and minimums")) == least
    assert f"there are {PAYMENT_WINDOW // timedelta(minutes=1)} minutes to pay" in PAYMENTS
    assert f"at least {MIN_LEFT // timedelta(minutes=1)} minutes more" in PAYMENTS
    page = (ROOT / "widget_server" / "templates" / "admin" / "payments.html").read_text("utf-8")
    for told, *_ in rows(PAYMENTS, "When something is wrong"):
        assert told.lower() in page.lower(), told


def section_rows(heading: str) -> list[list[str]]:
    """Of a table below a smaller heading."""
    return rows(f"## x\n{PAYMENTS.split(heading)[1].split(chr(10) + '#')[0]}".replace("\n   |", "\n|"), "x")


HEARD: dict[str, tuple[set[Message], set[Message], set[Message], set[Message]]] = {
    "a booking": ({Message.BOOKED}, {Message.NEW_ORDER}, {Message.ASSIGNED}, {Message.BOOKED}),
    "it moves": ({Message.MOVED}, {Message.MOVED}, {Message.ASSIGNED, Message.UNASSIGNED}, {Message.MOVED}),
    "it is cancelled by its customer": (
        {Message.CANCELLED},
        {Message.CANCELLED},
        {Message.UNASSIGNED},
        {Message.CANCELLED},
    ),
    "it is cancelled by an operator": ({Message.CANCELLED}, set(), {Message.UNASSIGNED}, {Message.CANCELLED}),
    "an operator asks for another time": ({Message.WAITING_ALTERNATIVES}, set(), set(), set()),
    "the operator withdraws that": ({Message.MOVE_WITHDRAWN}, set(), set(), set()),
    "it is nearly time": ({Message.REMINDER}, set(), set(), {Message.REMINDER}),
    "something was paid, and its seats were gone": ({Message.PAID_TOO_LATE}, set(), set(), set()),
    "somebody has paid, and Stripe lets the site's keys neither take nor give back the money": (
        set(),
        {Message.PAYMENT_STUCK},
        set(),
        set(),
    ),
    "there are none, or none was chosen": ({Message.PAYMENT_RETURNED}, set(), set(), set()),
    "a move was paid, and could not be made any more": ({Message.MOVE_RETURNED}, set(), set(), set()),
    "somebody disputes a payment with their bank, and when that is decided": (
        set(),
        {Message.DISPUTED, Message.DISPUTE_WON, Message.DISPUTE_LOST},
        set(),
        set(),
    ),
    "you give something back, whatever is booked": ({Message.REFUNDED}, set(), set(), set()),
    "somebody asks for all bookings of an address": ({Message.MY_BOOKINGS}, set(), set(), set()),
}
"""As the table has it: what the customer, the owners, the staff and those who come get then."""


def test_who_hears_of_what_is_told_as_it_is() -> None:
    told = {what.strip(): [bool(cell.strip()) for cell in cells] for what, *cells in cells_of_who_hears()}

    assert told == {what: [bool(kinds) for kinds in by_role] for what, by_role in HEARD.items()}
    roles = (Role.CUSTOMER, Role.OPERATOR, Role.STAFF, Role.ATTENDEE)
    heard = {
        (kind, role) for by_role in HEARD.values() for role, kinds in zip(roles, by_role, strict=True) for kind in kinds
    }
    assert heard == set(READERS)


def cells_of_who_hears() -> list[list[str]]:
    """With the empty ones."""
    section = MESSAGES.split("## Who hears of what")[1].split("\n## ")[0]
    return [line.strip("|").split("|") for line in re.findall(r"^\|.+\|$", section, re.MULTILINE)[2:]]


def test_messages_are_described_as_they_are() -> None:
    assert [state for state, *_ in rows(MESSAGES, "What can become of a message")] == list(STATES.values())
    assert f"forgotten {KEPT_FOR.days} days after they ended" in MESSAGES
    assert f"text and address go after {ENDED_KEPT.days} days" in MESSAGES
    assert FIRST_PAUSE / timedelta(minutes=1) == 0.5
    assert PAUSE_MAX / timedelta(hours=1) == 4
    assert "after half a minute, then after twice as long each time, up to four hours" in MESSAGES
    assert "An address gets at most three an hour" in MESSAGES
    assert LINKS_PER_ADDRESS_MAX == 3


def test_the_calendar_is_described_as_it_is() -> None:
    for told in (
        f"A file can have up to {BYTES_MAX // 1_000_000} MB and {ROWS_MAX:,} lines.",
        f"Write a message of up to {MESSAGE_LETTERS_MAX:,} characters",
        "asked once a booking, up to ten:",
        "up to three times of the same service",
    ):
        assert told in CALENDAR, told
    assert QUESTIONS_MAX == 10
    assert ALTERNATIVES_MAX == 3


def test_the_rooms_are_described_as_they_are_named() -> None:
    described = set(headings((ROOT / "docs" / "admin.md").read_text("utf-8"), 2))

    assert {"Today", "Bookings", "Live", "Reliability", "Audit log"} <= described & {room.name for room in ROOMS}
    assert described - {room.name for room in ROOMS} == {"Meetings and attendees", "Book by phone"}
    told = (ROOT / "docs" / "admin.md").read_text("utf-8")
    assert f"Up to\n{FOUND_MAX} holds are shown, out of the {READ_MAX:,} of the server" in told


def test_the_readme_is_short() -> None:
    assert README.count("\n") < 150


def test_the_readme_tells_the_figures_of_the_last_bench() -> None:
    measured = {row[0]: row[1:] for row in rows("#" + (ROOT / "bench" / "RESULTS.md").read_text("utf-8"), "How fast")}
    told = " ".join(README.split())

    holds, readers, filled = (
        next(figures for name, figures in measured.items() if name.startswith(beginning))
        for beginning in ("Hold over HTTP", "A change told to 9,900 readers", "Redis filled from SQL")
    )
    assert f"granted {holds[0].replace('/s', ' holds/s')} over HTTP, {holds[2].split('**')[1]} of" in told
    assert f"9,900 readers of a change within {readers[0]} (p99, {readers[2].split('**')[1]} of" in told
    assert f"100,000 slots and 10,000 pins in {filled[0]}." in told
    assert f"Bounds missed: {sum('missed' in figures[2] for figures in measured.values())}," in told


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_and_pictures_are_there(name: str) -> None:
    document = ROOT / name
    for target in re.findall(r"\]\(([^)#]+)", document.read_text("utf-8")):
        assert "://" in target or (document.parent / target).exists(), target


def test_the_readme_names_every_command_and_no_other() -> None:
    named = re.findall(r"^tenuto ([a-z-]+)|`tenuto ([a-z-]+)", README, re.MULTILINE)

    assert {"".join(command) for command in named} == set(_COMMANDS)
    usage = _parser().format_help()
    for command in _COMMANDS:
        assert command in usage


def test_what_the_readme_says_of_make_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"^make (\w+)|`make (\w+)`", README, re.MULTILINE):
        assert re.search(rf"^{''.join(target)}:", makefile, re.MULTILINE), target


def test_every_file_the_architecture_names_exists() -> None:
    named = set(re.findall(r"`((?:tests|docs|lua|bench)/[\w./-]+|[\w/]+\.(?:py|lua|js))`", ARCHITECTURE))

    assert named
    for path in named:
        assert any((ROOT / folder / path).exists() for folder in ("", "widget_server", "widget_static")), path


def test_the_architecture_describes_every_layer() -> None:
    folders = {path.parent.name for path in (ROOT / "widget_server").glob("*/__init__.py")}

    for folder in folders:
        assert f"`{folder}/`" in ARCHITECTURE, folder


def test_keys_in_redis_are_described_as_the_code_has_them() -> None:
    in_code = (ROOT / "widget_server" / "engine" / "keys.py").read_text("utf-8")
    described = {re.sub(r"<\w+>", "<>", key) for key in re.findall(r"`\{tenuto\}:([\w:<>]+)", ARCHITECTURE)}
    ours = {re.sub(r"<\w+>", "<>", key) for key in re.findall(r"^    \{p\}:([\w:<>]+)", in_code, re.MULTILINE)}

    assert described <= ours | {"<>:visitor:"}
    assert {key for key in ours if "network" not in key and "visitor" not in key} <= described


def test_documents_that_the_code_points_to_exist() -> None:
    for folder in ("widget_server", "widget_static", "lua"):
        for file in (ROOT / folder).rglob("*.*"):
            if file.suffix in (".py", ".js", ".lua", ".html"):
                for named in re.findall(r"docs/[\w/-]+\.md", file.read_text("utf-8")):
                    assert (ROOT / named).exists(), (file.name, named)
