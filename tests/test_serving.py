"""What is set up once for a whole process is tried in a process of its own."""

import subprocess
import sys


def test_a_worker_does_not_stop_to_collect_what_was_there_when_it_began() -> None:
    """A tenth of a second for all the modules, again and again, while holds are due."""
    told = run("asyncio.run(serving.work(None, tell()))")

    assert int(told) > 10_000


def test_by_itself_a_process_does() -> None:
    assert int(run("asyncio.run(tell())")) == 0


def run(how: str) -> str:
    code = f"""
import asyncio, gc
from widget_server import serving

async def tell():
    print(gc.get_freeze_count())

{how}
"""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
