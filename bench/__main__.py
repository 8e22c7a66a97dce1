"""Runs all measurements, writes bench/RESULTS.md, and ends with 1 where a *must* is missed or a figure is worthless."""

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench import burst, confirming, contended, expiry, fan_out, holds, machine, memory, month, rebuild, staffed
from bench.studio import opened
from bench.table import Section, Worthless, markdown

RESULTS = Path(__file__).with_name("RESULTS.md")
_FILES = 4 * fan_out.READERS


def main() -> int:
    _allow_many_files()
    began_at_s, before = time.monotonic(), machine.stolen_and_all()
    try:
        with tempfile.TemporaryDirectory(prefix="tenuto-bench-") as folder:
            sections, server = _measured(Path(folder))
    except Worthless as problem:
        print(f"bench: {problem}", file=sys.stderr)
        return 1
    stolen, of_all = (now - then for now, then in zip(machine.stolen_and_all(), before, strict=True))
    facts = machine.facts(server)
    if of_all:
        facts.append(f"{stolen / of_all:.0%} of its cores' time was given to others by the host")
    RESULTS.write_text(markdown(sections, facts))
    missed = [row.name for section in sections for row in section.rows if row.is_missed]
    for name in missed:
        print(f"bench: missed: {name}", file=sys.stderr)
    print(f"Written to bench/{RESULTS.name} after {time.monotonic() - began_at_s:.0f} s.")
    return 1 if missed else 0


def _measured(folder: Path) -> tuple[list[Section], str]:
    """All sections, and the server they were measured with."""
    with opened(folder / "ours") as ours, opened(folder / "reference") as reference:
        line = ours.line()
        server = line.ask("INFO", "server")
        line.close()
        sections = [
            _told("holds", lambda: holds.measured(ours, reference)),
            _told("contention", lambda: contended.measured(reference)),
            _told("confirmation", lambda: confirming.measured(ours)),
            _told("month", lambda: month.measured(ours)),
            _told("fan-out", lambda: fan_out.measured(ours)),
            _told("expiry", lambda: expiry.measured(ours)),
        ]
    with opened(folder / "staffed", staffed=True) as fresh:
        sections.append(_told("staffed", lambda: staffed.measured(fresh)))
    # What these count is all that there is, so they have a Valkey to themselves.
    with opened(folder / "rebuild") as fresh:
        sections.append(_told("rebuild", lambda: rebuild.measured(fresh)))
    with opened(folder / "memory") as fresh:
        sections.append(_told("memory", lambda: memory.measured(fresh)))
    with opened(folder / "burst") as fresh:
        sections.append(_told("burst", lambda: burst.measured(fresh)))
    return sections, machine.redis_of(server)


def _told(name: str, measure: Callable[[], Section]) -> Section:
    print(f"{name} ...", flush=True)
    section = measure()
    for row in section.rows:
        print("   ", " | ".join(row.cells()), flush=True)
    return section


def _allow_many_files() -> None:
    """Thousands of connections, in this process and those it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


if __name__ == "__main__":
    sys.exit(main())
