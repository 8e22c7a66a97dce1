"""Runs `tenuto simulate` as anybody would, or likewise without its start: what it printed, and how it ended."""

import atexit
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer

ROOT = Path(__file__).parents[2]
AT_ONCE = 2
MINUTES_MAX = 20
_BROKEN = re.compile(r"^broken after (\d+) operations of seed (\d+): (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Broke:
    seed: int
    after: int
    invariant: str


@dataclass(frozen=True, slots=True)
class Simulated:
    code: int
    printed: str

    @property
    def broke(self) -> Broke | None:
        found = _BROKEN.search(self.printed)
        return Broke(int(found[2]), int(found[1]), found[3]) if found else None

    @property
    def traces(self) -> list[str]:
        """Of each seed."""
        return re.findall(r"trace ([0-9a-f]+)", self.printed)


def simulate_by_command(seeds: range, steps: int) -> Simulated:
    wanted = f"{seeds[0]}-{seeds[-1]}"
    ran = subprocess.run(
        [sys.executable, "-m", "widget_server", "simulate", "--seed", wanted, "--steps", str(steps)],
        cwd=ROOT,
        env=_environment(ROOT),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=MINUTES_MAX * 60,
        check=False,
    )
    return Simulated(ran.returncode, ran.stdout)


def simulate(seeds: range, steps: int, *, root: Path = ROOT, all_by_sqlalchemy: bool = False) -> Simulated:
    """One after the other, with the product in this folder, or where it has scripts only, ours with these; where
    SQLAlchemy says all statements, slower."""
    is_ours = not (root / "widget_server").exists() or root == ROOT
    waiting = _WAITING[is_ours]
    warm = waiting.pop() if waiting else _Warm(["product"] if is_ours else [])
    simulated = warm.simulate(seeds, steps, root, all_by_sqlalchemy=all_by_sqlalchemy)
    waiting.append(warm)
    return simulated


def simulate_all(seeds: range, steps: int) -> list[Simulated]:
    """In a few processes at once, each with its share of the seeds."""
    share = -(-len(seeds) // AT_ONCE)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        shares = [seeds[at : at + share] for at in range(0, len(seeds), share)]
        return list(pool.map(lambda some: simulate(some, steps), shares))


class _Warm:
    """One process of warm.py, which simulates one thing at a time, and ends with us."""

    def __init__(self, arguments: list[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "chaos" / "warm.py"), *arguments],
            cwd=ROOT,
            env=_environment(ROOT) if arguments else _environment(None),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.register(self._end)

    def simulate(self, seeds: range, steps: int, root: Path, *, all_by_sqlalchemy: bool) -> Simulated:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with TemporaryDirectory(prefix="tenuto-") as folder:
            printed = Path(folder) / "printed"
            asked = {
                "root": str(root),
                "first": seeds[0],
                "last": seeds[-1],
                "steps": steps,
                "printed": str(printed),
                "all_by_sqlalchemy": all_by_sqlalchemy,
            }
            too_long = Timer(MINUTES_MAX * 60, self._process.kill)
            too_long.start()
            print(json.dumps(asked), file=self._process.stdin, flush=True)
            code = self._process.stdout.readline()
            too_long.cancel()
            assert code, "it took too long, or its process has ended"
            return Simulated(int(code), printed.read_text())

    def _end(self) -> None:
        self._process.communicate()


_WAITING: defaultdict[bool, list[_Warm]] = defaultdict(list)
"""Those that have nothing to do; True: who know the product as it is."""


def _environment(root: Path | None) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TENUTO_", "PYTHONPATH"))}
    return environment | ({"PYTHONPATH": str(root)} if root else {})
