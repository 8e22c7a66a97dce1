"""A new SQLite file or PostgreSQL database for every test, with all tables, and a yoga studio in it."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from time import monotonic, sleep

import psycopg
import pytest
from sqlalchemy import make_url

from tests.store import studio
from widget_server.domain.sites import Site
from widget_server.store import database as module
from widget_server.store import migrations
from widget_server.store.database import Database
from widget_server.store.postgres import ARGUMENTS
from widget_server.store.tables import Table

_START_S = _PATIENCE_S = 60
_NUMBERS = count(1)
_OF_ALL = "of_all"
_TABLES = ", ".join(f'"{name}"' for name in Table.metadata.tables)
_HANG_UP = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'of_all'"
"""On whoever an earlier test has left connected, maybe in a transaction."""


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL of our own on a unix socket, without the name of a database."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = str(programs[-1]) if programs else shutil.which("initdb")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is missing: install it, as CI has to test on both databases")
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="tenuto-pg-", dir="/tmp"))  # the path of a socket must be short
    server = _start_postgres(Path(found).parent, folder)
    try:
        yield f"postgresql://postgres@/{{name}}?host={folder}"
    finally:
        server.send_signal(signal.SIGQUIT)  # at once: writing what is thrown away in a moment takes half a minute
        server.wait(_START_S)
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> str:
    _execute(postgres_server, "CREATE DATABASE migrated")
    migrations.upgrade(make_url(postgres_server.format(name="migrated").replace("postgresql:", "postgresql+psycopg:")))
    return "migrated"


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    shutil.copy(sqlite_template, tmp_path / "tenuto.sqlite3")
    return f"sqlite:///{tmp_path / 'tenuto.sqlite3'}"


@pytest.fixture
def postgres_url(postgres_server: str, postgres_template: str) -> str:
    name = f"test_{next(_NUMBERS)}"
    _execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {postgres_template}")
    return postgres_server.format(name=name)


@pytest.fixture
def empty_postgres_url(postgres_server: str) -> str:
    name = f"empty_{next(_NUMBERS)}"
    _execute(postgres_server, f"CREATE DATABASE {name}")
    return postgres_server.format(name=name)


@pytest.fixture(scope="session")
def postgres_of_all(postgres_server: str, postgres_template: str) -> str:
    _execute(postgres_server, f"CREATE DATABASE {_OF_ALL} TEMPLATE {postgres_template}")
    return postgres_server.format(name=_OF_ALL)


@pytest.fixture
def emptied_postgres_url(postgres_server: str, postgres_of_all: str) -> str:
    """For all who leave the tables as they are: to empty them takes a tenth of the time of another database."""
    _execute(postgres_server, _HANG_UP)
    _execute(postgres_server, f"TRUNCATE {_TABLES} RESTART IDENTITY", database=_OF_ALL)
    return postgres_of_all


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "emptied_postgres_url"))


@pytest.fixture
async def db(url: str, tmp_path: Path, anyio_backend: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    """With more patience than a server has: many at once take turns, which a busy machine may be long about."""
    monkeypatch.setattr(module, "_WAIT_S", _PATIENCE_S)
    monkeypatch.setitem(ARGUMENTS, "options", f"-c lock_timeout={_PATIENCE_S}s -c statement_timeout={_PATIENCE_S}s")
    database = Database(url, tmp_path)
    yield database
    await database.close()


@pytest.fixture
async def site(db: Database) -> Site:
    return await studio.found(db, "studio")


def _start_postgres(programs: Path, folder: Path) -> subprocess.Popen[bytes]:
    """PostgreSQL refuses to run as root, so there it runs as the user that its package made."""
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    files, log = str(folder / "files"), (folder / "log").open("wb")
    new = [str(programs / "initdb"), "-D", files, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"]
    subprocess.run(new, check=True, user=user, cwd=folder, stdout=log, stderr=log)
    run = [str(programs / "postgres"), "-D", files, "-k", str(folder), "-c", "listen_addresses=", "-c", "fsync=off"]
    server = subprocess.Popen(run, user=user, cwd=folder, stdout=log, stderr=log)
    log.close()
    _wait_for(server, folder)
    return server


def _wait_for(server: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = monotonic() + _START_S
    while True:
        try:
            psycopg.connect(f"postgresql://postgres@/postgres?host={folder}").close()
        except psycopg.OperationalError:
            assert server.poll() is None, (folder / "log").read_text()
            assert monotonic() < deadline, "PostgreSQL did not start"
            sleep(0.05)
        else:
            return


def _execute(server: str, statement: str, *, database: str = "postgres") -> None:
    with psycopg.connect(server.format(name=database), autocommit=True) as connection:
        connection.execute(statement.encode())
