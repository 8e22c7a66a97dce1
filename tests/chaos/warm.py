"""A process that has imported what takes long, and becomes two for each simulation that is asked of it.

On its stdin each line is one: a folder with the product, seeds, steps, and a file for what is printed. It answers with
a line, the exit code. With `product` as its argument it knows the product of its folder already, and has told a short
story, so that nothing is done for the first time; else what the product in that folder is made of remains to be read.
"""

import gc
import json
import os
import sys
from importlib import import_module

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


def main() -> None:
    for name in OF_OTHERS:
        import_module(name)
    if sys.argv[1:] == ["product"]:
        _simulate(range(1, 2), FIRST_STEPS, quiet=True)
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        print(_in_another(**json.loads(line)), flush=True)


def _in_another(root: str, first: int, last: int, steps: int, printed: str) -> int:
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        with open(printed, "wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        os.chdir(root)
        sys.path.insert(0, root)
        code = _simulate(range(first, last + 1), steps)
    finally:
        sys.stdout.flush()
        os._exit(code)


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
