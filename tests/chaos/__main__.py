"""A longer run by hand, one town after the other: `python -m tests.chaos --minutes 30 --seed 1`."""

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from itertools import count
from pathlib import Path
from time import monotonic

from tests.chaos.menus import MENUS
from tests.chaos.runs import Report, run
from tests.chaos.town import templates

_COMPLAINT_LENGTH_MAX = 2000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1, help="of the first run; each later one has the next")
    parser.add_argument("--seconds", type=float, default=25.0, help="of load and faults in each run")
    parser.add_argument("--menu", choices=MENUS, help="only this one, instead of all in turn")
    options = parser.parse_args()
    reports = asyncio.run(_runs(options))
    print(_table(reports))
    return 1 if any(report.complaints or report.missed or report.is_late for report in reports) else 0


async def _runs(options: argparse.Namespace) -> list[Report]:
    until_s = monotonic() + options.minutes * 60
    reports: list[Report] = []
    with templates() as made_from:
        for number in count():
            menu = options.menu or list(MENUS)[number % len(MENUS)]
            report = await run(menu, options.seed + number, made_from, seconds=options.seconds)
            _tell(report)
            reports.append(report)
            if monotonic() > until_s:
                break
    return reports


def _tell(report: Report) -> None:
    """At once; and where there are complaints, what all processes said goes into files."""
    print(report, flush=True)
    for what, times in Counter(what.partition(":")[0] for what in report.unfinished).items():
        print(f"  waited for a time limit of ours: {times} times {what}", flush=True)
    for complaint in report.complaints:
        print(f"  !! {complaint[:_COMPLAINT_LENGTH_MAX]}", flush=True)
    for name, log in report.logs.items():
        file = Path(tempfile.gettempdir()) / f"tenuto-chaos-{report.menu}-{report.seed}-{name}.log"
        file.write_text(log)
        print(f"  see {file}", flush=True)


def _table(reports: list[Report]) -> str:
    faults: Counter[str] = Counter()
    answers: Counter[str] = Counter()
    for report in reports:
        faults += report.faults
        answers += report.answers
    refilled_s = sorted(second for report in reports for second in report.refilled_s)
    lines = [f"{len(reports)} runs, {faults.total()} faults:"]
    lines += [f"  {count:6} {name}" for name, count in sorted(faults.items())]
    lines += [f"{answers.total()} answers to {sum(report.visits for report in reports)} visits:"]
    lines += [f"  {count:6} {name}" for name, count in sorted(answers.items())]
    lines += [f"{sum(report.bookings for report in reports)} bookings in SQL"]
    paid, given_back = sum(report.payments for report in reports), sum(report.given_back for report in reports)
    lines += [f"{paid} paid at Stripe, {given_back} given back"]
    if refilled_s:
        middle = refilled_s[len(refilled_s) // 2]
        lines += [f"filled anew {len(refilled_s)} times: median {middle:.1f} s, longest {refilled_s[-1]:.1f} s"]
    late = sum(report.is_late for report in reports)
    waited = Counter(what.partition(":")[0] for report in reports for what in report.unfinished)
    lines += [f"{late} times quiet later than it should be"]
    lines += [f"waited for a time limit of ours: {count} times {what}" for what, count in waited.items()]
    lines += [f"{sum(len(report.complaints) for report in reports)} complaints"]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
