"""A process that has imported what takes long, and becomes two for each simulation that is asked of it.

On its stdin each line is one: a folder with the product, seeds, steps, and a file for what is printed. It answers with
a line, the exit code: 1 where something broke, 2 where it did not come so far, and why. With `product` as its argument
it knows the product of its folder already, and has told a short story, so that nothing is done for the first
time, and of the folders that it is asked for it reads no more than the scripts; else what the product in that folder is
made of remains to be read.
"""

import gc
import json
import os
import sys
import traceback
from importlib import import_module
from pathlib import Path

OF_OTHERS = (
    "alembic.command",
    "anyio.to_thread",
    "babel.dates",
    "babel.numbers",
    "cryptography.hazmat.primitives.ciphers.aead",
    "hiredis",
    "httpx",
    "jinja2",
    "redis.asyncio",
    "requests",
    "sqlmodel.ext.asyncio.session",
    "starlette.applications",
    "stripe",
    "structlog",
)
FIRST_STEPS = 200
CRASHED = 2


def main() -> None:
    gc.disable()  # as a simulation does: looking for what ended takes a sixth of an import
    for name in OF_OTHERS:
        import_module(name)
    if sys.argv[1:] == ["product"]:
        _simulate(range(1, 2), FIRST_STEPS, quiet=True)
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        print(_in_another(**json.loads(line)), flush=True)


def _in_another(root: str, first: int, last: int, steps: int, printed: str, all_by_sqlalchemy: bool) -> int:
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = CRASHED
    try:
        with open(printed, "wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        os.chdir(root)
        sys.path.insert(0, root)
        if "widget_server" in sys.modules:
            _read_scripts_of(Path(root))
        if all_by_sqlalchemy:
            _say_nothing_ourselves()
        code = _simulate(range(first, last + 1), steps)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _read_scripts_of(root: Path) -> None:
    """Instead of those that the product was told its first story with."""
    from widget_server import assets
    from widget_server.engine import scripts

    vars(assets)["_HOMES"] = (root, *assets._HOMES)
    for known in (assets.find, scripts.load, scripts.load_all):
        known.cache_clear()


def _say_nothing_ourselves() -> None:
    from widget_server.simulator import database

    vars(database)["said"] = lambda _statement, _params: None


def _simulate(seeds: range, steps: int, *, quiet: bool = False) -> int:
    from widget_server.errors import Fault
    from widget_server.simulator.simulation import tell

    try:
        tell(seeds, steps, lambda line: None if quiet else print(line, flush=True))
    except Fault as fault:
        print(f"tenuto: {fault}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    main()
