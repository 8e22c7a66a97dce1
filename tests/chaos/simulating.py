"""Runs `tenuto simulate` as anybody would: a process, what it printed, and how it ended."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

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


def simulate(seeds: range, steps: int, *, root: Path = ROOT) -> Simulated:
    """One after the other, with the product that is in this folder."""
    wanted = f"{seeds[0]}-{seeds[-1]}"
    command = [sys.executable, "-m", "widget_server", "simulate", "--seed", wanted, "--steps", str(steps)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TENUTO_")}
    ran = subprocess.run(
        command,
        cwd=root,
        env=environment | {"PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=MINUTES_MAX * 60,
        check=False,
    )
    return Simulated(ran.returncode, ran.stdout)


def simulate_all(seeds: range, steps: int) -> list[Simulated]:
    """In a few processes at once, each with its share of the seeds."""
    share = -(-len(seeds) // AT_ONCE)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        shares = [seeds[at : at + share] for at in range(0, len(seeds), share)]
        return list(pool.map(lambda some: simulate(some, steps), shares))
