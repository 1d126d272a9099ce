"""The tables: made at first use, once, and only by leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from drivers.processes import run_together
from fakes.values import envelope
from fakes.worker import FakeWorker
from servers import stores
from sqlalchemy import Engine, inspect, text

from qcore.drivers.database.migrations.run import upgrade
from qcore.drivers.database.schema import REVISIONS
from qcore.errors import ConfigurationError, SchemaError

MakeStore = Callable[..., Any]


def differences(link: Any) -> list[Any]:
    """What the database has that the schema has not, and the other way round."""
    names = set(link.tables.metadata.tables) - {link.tables.version.name}
    options = {
        "compare_type": True,
        "include_name": lambda name, kind, _: kind != "table" or name in names,
    }
    with link.dialect.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        return [step for step in compare_metadata(context, link.tables.metadata) if "_schema_version" not in str(step)]


def test_migrations_lead_to_the_schema(make_store: MakeStore, bare: str) -> None:
    link = make_store(table=bare)._link
    with link.dialect.engine.connect() as connection, link.dialect.migrating(connection):
        upgrade(link.tables, link.dialect, connection)
    assert differences(link) == []
    with link.dialect.engine.connect() as connection:
        found = connection.execute(text(f"SELECT version_num FROM {bare}_schema_version")).scalar_one()
    assert found == REVISIONS[-1]


def test_the_short_way_leads_to_the_schema_too(make_store: MakeStore, bare: str) -> None:
    store = make_store(table=bare)
    assert tuple(store.migrate()) == REVISIONS
    assert differences(store._link) == []
    assert list(store.migrate()) == []


def test_a_store_that_was_migrated_works(make_store: MakeStore, bare: str) -> None:
    link = make_store(table=bare)._link
    with link.dialect.engine.connect() as connection, link.dialect.migrating(connection):
        upgrade(link.tables, link.dialect, connection)
    store = make_store(table=bare, auto_migrate=False)
    job = envelope()
    store.push([job])
    assert FakeWorker(store).reserve_one().id == job.id


def test_nothing_is_made_without_leave(make_store: MakeStore, engine: Engine, bare: str) -> None:
    store = make_store(table=bare, auto_migrate=False)
    with pytest.raises(SchemaError, match="no tables yet") as caught:
        store.push([envelope()])
    assert caught.value.hint == "run: qctl migrate"
    assert not inspect(engine).has_table(bare)
    store.migrate()
    assert store.push([envelope()])


def test_tables_of_a_newer_version_are_left_alone(make_store: MakeStore, engine: Engine, bare: str) -> None:
    make_store(table=bare).migrate()
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {bare}_schema_version SET version_num = '9999'"))
    for verb in ("counts", "migrate"):
        with pytest.raises(SchemaError, match="newer version") as caught:
            getattr(make_store(table=bare), verb)()
        assert caught.value.hint == "update qctl on this host"


def test_tables_that_were_dropped_are_missed(make_store: MakeStore, engine: Engine, bare: str) -> None:
    store = make_store(table=bare)
    store.migrate()
    with engine.begin() as connection:
        connection.execute(text(f"DROP TABLE {bare}_queues"))
    store.ping()
    with pytest.raises(SchemaError, match="missing or of another version"):
        store.counts()


def test_two_prefixes_are_two_stores(make_store: MakeStore, bare: str) -> None:
    one, other = make_store(), make_store(table=bare)
    one.push([envelope()])
    assert not other.counts()
    assert not FakeWorker(other).reserve()


@pytest.mark.parametrize("table", ["", "1st", "a-b", "a b", 'a"b', "t" * 41, "jobs;"])
def test_a_prefix_that_cannot_name_a_table(make_store: MakeStore, table: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot name a table"):
        make_store(table=table)


def _push_one(store: Any) -> bool:
    return bool(store.push([envelope()]))


def test_eight_processes_make_the_tables_once(url: str, make_store: MakeStore, bare: str) -> None:
    settings = stores.settings_for(url, table=bare)
    assert run_together(settings, _push_one, [()] * 8) == [True] * 8
    assert make_store(table=bare).counts()[0].pending == 8
