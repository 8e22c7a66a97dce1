"""From nothing to the newest tables, on both databases, by several processes at once if need be."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import URL, create_engine, inspect, make_url, text

from widget_server.errors import Fault
from widget_server.ids import hash_address
from widget_server.store import migrations
from widget_server.store.tables import Table

_SITE = (
    "INSERT INTO site (id, key, name, zone, currency, locale, accent, theme, holds_on, hold_minutes, origins,"
    " partition, epoch, schedule_version, created_at)"
    " VALUES (:id, :key, 'The studio', 'Europe/Berlin', 'EUR', 'en', '#2f6f5e',"
    " 'auto', true, 10, '[]', 'tenuto', 1, 1, '2026-11-21 09:00:00+00:00')"
)
_OPERATOR = (
    "INSERT INTO operator (id, site_id, email, password_hash, created_at)"
    " VALUES (:id, :site, :email, 'argon', '2026-11-21 09:00:00+00:00')"
)
_ORDER = (
    "INSERT INTO orders (site_id, hold_id, number, secret_hash, state, customer_name, customer_email, customer_zone,"
    " customer_locale, total_minor, currency, created_at)"
    " VALUES (1, :hold, :number, 'hash', 'paid', 'Anna', :email, 'UTC', 'en', 0, 'EUR', '2026-11-21 09:00:00+00:00')"
)


@pytest.fixture(params=["sqlite", "postgres"])
def migrated(request: pytest.FixtureRequest) -> URL:
    url = make_url(request.getfixturevalue(f"{request.param}_url"))
    return url if url.drivername == "sqlite" else url.set(drivername="postgresql+psycopg")


def test_the_revisions_say_all_that_the_tables_say(migrated: URL) -> None:
    migrations.check(migrated)


def test_migrating_again_changes_nothing(migrated: URL) -> None:
    migrations.upgrade(migrated)

    assert table_names(migrated) == {*Table.metadata.tables, "alembic_version"}


def test_a_database_that_does_not_keep_all_letters_is_refused_before_anything_is_in_it(postgres_server: str) -> None:
    """As that of a server which was set up where no language was."""
    servers = make_url(postgres_server.format(name="postgres")).set(drivername="postgresql+psycopg")
    engine = create_engine(servers, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("DROP DATABASE IF EXISTS letters"))
        connection.execute(text("CREATE DATABASE letters TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'"))
    engine.dispose()

    with pytest.raises(Fault, match="SQL_ASCII"):
        migrations.upgrade(servers.set(database="letters"))
    assert table_names(servers.set(database="letters").update_query_dict({"client_encoding": "utf8"})) == set()


def test_constraints_have_the_names_that_the_tables_give_them(migrated: URL) -> None:
    engine = create_engine(migrated)
    found = {name: {check["name"] for check in inspect(engine).get_check_constraints(name)} for name in ("meeting",)}
    engine.dispose()

    assert found == {"meeting": {"ck_meeting_booked"}}


@pytest.mark.parametrize(("table", "column"), [("rescheduling", "booking_id"), ("message", "ended_at")])
def test_what_every_mail_and_every_look_asks_for_is_found_by_an_index(migrated: URL, table: str, column: str) -> None:
    engine = create_engine(migrated)
    first = {index["column_names"][0] for index in inspect(engine).get_indexes(table)}
    engine.dispose()

    assert column in first


def test_the_way_back_leaves_no_table(migrated: URL) -> None:
    engine = create_engine(migrated)
    with engine.begin() as connection:
        command.downgrade(migrations.config(connection), "base")
    engine.dispose()

    assert table_names(migrated) == {"alembic_version"}


def test_everybody_who_had_a_site_owns_it(migrated: URL) -> None:
    engine = create_engine(migrated)
    with engine.begin() as connection:
        command.downgrade(migrations.config(connection), "0008")
        connection.execute(text(_SITE), [{"id": 1, "key": "studio"}, {"id": 2, "key": "garden"}])
        connection.execute(
            text(_OPERATOR), [{"id": 5, "site": 1, "email": "anna"}, {"id": 6, "site": 2, "email": "ben"}]
        )
    migrations.upgrade(migrated)

    with engine.begin() as connection:
        found = connection.execute(text("SELECT site_id, operator_id, role, staff FROM membership ORDER BY site_id"))
        assert found.all() == [(1, 5, "owner", None), (2, 6, "owner", None)]
        assert connection.execute(text("SELECT id, email FROM operator ORDER BY id")).all() == [(5, "anna"), (6, "ben")]
        command.downgrade(migrations.config(connection), "0008")
        assert connection.execute(text("SELECT id, site_id FROM operator ORDER BY id")).all() == [(5, 1), (6, 2)]
    engine.dispose()


def test_orders_from_before_are_found_by_their_customers_address(migrated: URL) -> None:
    engine = create_engine(migrated)
    with engine.begin() as connection:
        command.downgrade(migrations.config(connection), "0014")
        connection.execute(text(_SITE), [{"id": 1, "key": "studio"}])
        addresses = [f"Anna-{n}@example.org" for n in range(1_001)]  # more than are looked at at once
        orders = [{"hold": f"{n:022}", "number": f"N-{n}", "email": email} for n, email in enumerate(addresses)]
        connection.execute(text(_ORDER), [*orders, {"hold": "B" * 22, "number": "B", "email": None}])
    migrations.upgrade(migrated)

    with engine.begin() as connection:
        found = connection.execute(text("SELECT address_hash FROM orders ORDER BY id")).scalars().all()
    engine.dispose()
    assert found == [*map(hash_address, addresses), None]


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    """A database without any table."""
    if request.param == "sqlite":
        return make_url(f"sqlite:///{tmp_path / 'new.sqlite3'}")
    return make_url(request.getfixturevalue("empty_postgres_url")).set(drivername="postgresql+psycopg")


def test_several_processes_may_migrate_at_once(empty: URL) -> None:
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(migrations.upgrade, [empty] * 3))

    migrations.check(empty)


def test_tables_of_a_newer_version_are_told_in_one_sentence(migrated: URL) -> None:
    engine = create_engine(migrated)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()

    with pytest.raises(Fault, match="newer version"):
        migrations.upgrade(migrated)


def test_there_is_one_newest_revision() -> None:
    folder = Path(migrations.__file__).parent

    assert len(ScriptDirectory(str(folder)).get_heads()) == 1


def table_names(url: URL) -> set[str]:
    engine = create_engine(url)
    try:
        return set(inspect(engine).get_table_names())
    finally:
        engine.dispose()
