"""One slot that everybody wants: our hold against a row lock of PostgreSQL."""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from bench.lean import drive_gathered
from bench.studio import Studio
from bench.table import ROUNDS, Bound, Row, Section, ratio, trust
from widget_server.engine import calls
from widget_server.engine.calls import Wanted
from widget_server.engine.gathering import LINES_AT_ONCE

CLIENTS, HOLDS, SECONDS = 32, 12_000, 5
_START_S = 30.0

_TABLES = """
CREATE TABLE slot (id int PRIMARY KEY, capacity int NOT NULL, held int NOT NULL);
CREATE TABLE hold (id uuid PRIMARY KEY, slot_id int NOT NULL, seats int NOT NULL, expires_at timestamptz NOT NULL);
INSERT INTO slot VALUES (1, 1000000000, 0);
"""
_HOLD = """
BEGIN;
SELECT capacity - held FROM slot WHERE id = 1 FOR UPDATE;
UPDATE slot SET held = held + 1 WHERE id = 1;
INSERT INTO hold VALUES (gen_random_uuid(), 1, 1, now() + interval '10 minutes');
COMMIT;
"""


def measured(studio: Studio) -> Section:
    ours, theirs = [], []
    offered = studio.slots[0]
    with _postgres() as (programs, folder):
        for _ in range(ROUNDS):
            wanted = [studio.wanted(offered) for _ in range(HOLDS)]
            driven = drive_gathered(studio.redis_path, wanted, lambda some: _packed(studio, some), callers=CLIENTS)
            granted = sum(answer[0] == b"HELD" for answer in driven.answers)
            trust(granted == HOLDS, f"Of {HOLDS} holds {granted} were granted.")
            ours.append(driven.rate)
            theirs.append(_locked(programs, folder))
    return Section(
        [
            Row(
                f"Holds of one and the same slot, {CLIENTS} at once",
                f"{median(ours):,.0f}/s",
                f"{median(theirs):,.0f}/s, PostgreSQL, `SELECT … FOR UPDATE`",
                ratio(ours, theirs),
                must=Bound(15, is_least=True),
                aim=Bound(25, is_least=True),
            )
        ],
        _MEANING,
    )


def _packed(studio: Studio, wanted: Sequence[Wanted]) -> list[bytes]:
    """Those who want something in the same moment, as the engine asks for them."""
    groups = (wanted[at : at + LINES_AT_ONCE] for at in range(0, len(wanted), LINES_AT_ONCE))
    return [calls.hold(studio.terms, group).by_sha() for group in groups]


def _locked(programs: Path, folder: Path) -> float:
    """Transactions a second, by pgbench."""
    command = [programs / "pgbench", "-n", "-M", "prepared", "-c", CLIENTS, "-j", 2, "-T", SECONDS]
    command += ["-f", folder / "hold.sql", "-h", folder, "-U", "postgres", "postgres"]
    told = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True).stdout
    found = re.search(r"^tps = ([\d.]+)", told, re.MULTILINE)
    trust(found is not None, "pgbench did not say how many.")
    assert found is not None
    return float(found[1])


@contextmanager
def _postgres() -> Iterator[tuple[Path, Path]]:
    """The folders of its programs and of a server of our own, set up as it comes: commits wait for the disk."""
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = packaged[-1] if packaged else shutil.which("initdb")
    trust(found is not None, "PostgreSQL is not installed: it is what holds are compared with.")
    programs, folder = Path(str(found)).parent, Path(tempfile.mkdtemp(prefix="tenuto-bench-pg-", dir="/tmp"))
    user = "postgres" if os.geteuid() == 0 else None  # as root it will not run
    if user:
        shutil.chown(folder, user)
    files, log = str(folder / "files"), (folder / "log").open("wb")
    subprocess.run(
        [str(programs / "initdb"), "-D", files, "-U", "postgres", "--auth=trust"],
        check=True,
        user=user,
        cwd=folder,
        stdout=log,
        stderr=log,
    )
    run = [str(programs / "postgres"), "-D", files, "-k", str(folder), "-c", "listen_addresses="]
    server = subprocess.Popen(run, user=user, cwd=folder, stdout=log, stderr=log)
    try:
        _prepare(programs, folder)
        yield programs, folder
    finally:
        server.terminate()
        server.wait()
        log.close()
        shutil.rmtree(folder)


def _prepare(programs: Path, folder: Path) -> None:
    (folder / "hold.sql").write_text(_HOLD)
    command = [str(programs / "psql"), "-h", str(folder), "-U", "postgres", "-q", "-v", "ON_ERROR_STOP=1", "postgres"]
    give_up_at_s = time.monotonic() + _START_S
    while subprocess.run([*command, "-c", "SELECT 1"], check=False, capture_output=True).returncode != 0:
        trust(time.monotonic() < give_up_at_s, "PostgreSQL did not start.")
        time.sleep(0.1)
    subprocess.run(command, input=_TABLES, text=True, check=True, capture_output=True)


_MEANING = f"""**Contention.** {CLIENTS} callers that all want the same slot, as when tickets go on sale, each again \
as soon as it has its answer. Ours is the bare script, over Valkey as `tenuto` runs it, and as a web process asks \
it: over one connection, where what is wanted in the same moment leaves together, up to {LINES_AT_ONCE} holds a script \
(decision 29). The reference is `pgbench` with as many \
clients and a transaction of four statements: lock the slot's row and read what is left, count the seat, write the \
hold, commit. PostgreSQL is set up as it comes, so that each commit waits for the disk, which Valkey does once a \
second. How long that takes decides most of the ratio: the faster the disk, the smaller it is."""
