"""The only place that brings a database to the shape that tables/ describes."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, exc, text

from widget_server.errors import Fault

_LOCK_WAIT_S = 60
_POSTGRES_LOCK = 7_239_110
"""Any number, as long as every process takes the same."""


def upgrade(url: URL) -> None:
    """Up to the newest revision, in one transaction; who comes second waits and finds it done. Raises Fault."""
    engine = _open(url)
    try:
        with engine.begin() as connection:
            _lock(connection)
            _must_keep_all_letters(connection)
            command.upgrade(config(connection), "head")
    except CommandError as error:
        raise Fault("The database was made by a newer version of Tenuto.") from error
    except (exc.OperationalError, exc.InterfaceError) as error:
        raise Fault(f"The database cannot be brought up to date: {str(error.orig).splitlines()[0]}") from error
    finally:
        engine.dispose()


def check(url: URL) -> None:
    """Raises alembic's CommandError if tables/ says anything that no revision does."""
    engine = _open(url)
    try:
        with engine.begin() as connection:
            command.check(config(connection))
    finally:
        engine.dispose()


def is_current(url: URL) -> bool:
    """Whether the database is of the newest revision that this version knows."""
    engine = _open(url)
    try:
        with engine.begin() as connection:
            newest = ScriptDirectory.from_config(config(connection)).get_heads()
            return set(MigrationContext.configure(connection).get_current_heads()) == set(newest)
    finally:
        engine.dispose()


def config(connection: Connection) -> Config:
    """Alembic's settings without an ini file, as this folder is found inside the installed package."""
    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    settings.attributes["connection"] = connection
    return settings


def _open(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 10, "client_encoding": "utf8"})
    arguments = {"isolation_level": None, "timeout": _LOCK_WAIT_S}
    engine = create_engine(url.set(drivername="sqlite"), poolclass=NullPool, connect_args=arguments)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _must_keep_all_letters(connection: Connection) -> None:
    """Asked before there is anything in it. PostgreSQL has its encoding from where it was set up: it may know none."""
    if connection.dialect.name != "postgresql" or MigrationContext.configure(connection).get_current_heads():
        return
    encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
    if encoding != "UTF8":
        raise Fault(f"The database keeps letters as {encoding}, which lacks most: make one with the encoding UTF8.")


def _lock(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_WAIT_S}s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _POSTGRES_LOCK})
