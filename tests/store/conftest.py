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
from widget_server.store import migrations
from widget_server.store.database import Database

_START_S = 30
_NUMBERS = count(1)


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
        server.send_signal(signal.SIGINT)
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


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
async def db(url: str, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Database]:
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


def _execute(server: str, statement: str) -> None:
    with psycopg.connect(server.format(name="postgres"), autocommit=True) as connection:
        connection.execute(statement.encode())
