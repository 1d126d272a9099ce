from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcore.config import ConnectionSettings, Settings, driver_of, load_settings, mask_url
from qcore.errors import ConfigurationError

# As the documentation has it.
QUEUE_CONFIG: dict[str, dict[str, Any]] = {
    "default": {
        "driver": "database",
        "connection": "default",
        "table": "jobs",
        "queue": "default",
        "retry_after": 3600,
        "max_attempts": 3,
    },
    "redis": {
        "driver": "redis",
        "connection": "redis_cache",
        "queue": "default",
        "retry_after": 3600,
        "block_for": 0,
    },
}
REDIS, POSTGRES = "redis://host/0", "postgresql+psycopg://host/q"


def load(
    config: dict[str, Any] | None = None,
    stores: dict[str, str] | None = None,
    env: dict[str, str] | None = None,
    **flags: Any,
) -> Settings:
    app = {"QUEUE_CONFIG": config or {}, "STORES": stores or {}}
    return load_settings(flags, cwd=Path("/work-dir"), environ=env or {}, app_config=app)


def urls(settings: Settings) -> dict[str, str]:
    return {one.name: one.url for one in settings.connections.values()}


SQLITE = "sqlite:////work-dir/queue.db"


def test_the_documented_configuration_works_without_any_store_named() -> None:
    settings = load(QUEUE_CONFIG)
    found = settings.connection()
    assert (found.name, found.driver, found.url, found.store) == ("default", "database", SQLITE, "default")
    assert (found.table, found.queue, found.retry_after, found.max_attempts) == ("jobs", "default", 3600.0, 3)


def test_a_store_nobody_named_is_an_error_only_when_it_is_asked_for() -> None:
    with pytest.raises(ConfigurationError, match='the address of its redis store "redis_cache" is not known') as caught:
        load(QUEUE_CONFIG).connection("redis")
    assert "set QCTL_STORE_REDIS_CACHE" in caught.value.hint
    assert "STORES" in caught.value.hint
    assert "[stores]" in caught.value.hint


def test_stores_give_the_addresses() -> None:
    settings = load(QUEUE_CONFIG, {"redis_cache": REDIS, "default": POSTGRES})
    assert urls(settings) == {"default": POSTGRES, "redis": REDIS}
    assert settings.connection("redis").block_for == 0.0


def test_the_environment_beats_the_stores_of_the_application() -> None:
    settings = load(QUEUE_CONFIG, {"redis_cache": REDIS}, {"QCTL_STORE_REDIS_CACHE": "redis://other"})
    assert settings.connection("redis").url == "redis://other"
    assert settings.origins["connections.redis.url"] == "environment QCTL_STORE_REDIS_CACHE"


def test_the_environment_reaches_a_store_whose_name_it_cannot_write() -> None:
    config = {"main": {"driver": "redis", "connection": "Redis-Cache.1"}}
    settings = load(config, {"Redis-Cache.1": REDIS}, {"QCTL_STORE_REDIS_CACHE_1": "redis://other"})
    assert settings.connection().url == "redis://other"


def test_the_one_url_is_the_address_of_the_default_connection() -> None:
    settings = load(QUEUE_CONFIG, {"default": "sqlite:///other.db", "redis_cache": REDIS}, {"QCTL_URL": POSTGRES})
    assert urls(settings) == {"default": POSTGRES, "redis": REDIS}
    assert settings.default == "default"


def test_a_url_of_another_driver_makes_that_drivers_connection_the_default() -> None:
    settings = load(QUEUE_CONFIG, env={"QCTL_URL": REDIS})
    assert settings.default == "redis"
    assert urls(settings) == {"default": SQLITE, "redis": REDIS}
    assert settings.connection("database").url == SQLITE
    assert settings.origins["connections.redis.url"] == "environment QCTL_URL"


def test_a_url_of_a_driver_without_a_connection_makes_one() -> None:
    settings = load({"default": {"driver": "database"}}, env={"QCTL_URL": REDIS})
    assert settings.connection() == ConnectionSettings(name="redis", driver="redis", url=REDIS)
    assert urls(settings) == {"default": SQLITE, "redis": REDIS}


def test_a_url_leaves_several_connections_of_its_driver_alone() -> None:
    config = {"default": {"driver": "sync"}, **{name: {"driver": "redis", "url": f"redis://{name}"} for name in "ab"}}
    settings = load(config, env={"QCTL_URL": REDIS})
    assert urls(settings) == {"default": "", "a": "redis://a", "b": "redis://b", "redis": REDIS}
    assert settings.default == "redis"


def test_a_url_serves_every_connection_of_its_driver_that_has_no_address() -> None:
    config = {"default": {"driver": "redis"}, "other": {"driver": "redis", "connection": "x"}}
    assert urls(load(config, env={"QCTL_URL": REDIS})) == {"default": REDIS, "other": REDIS}


def test_a_connection_asked_for_by_flag_is_not_moved_by_a_url_of_the_environment() -> None:
    settings = load(QUEUE_CONFIG, env={"QCTL_URL": REDIS}, connection="default")
    assert settings.connection().url == SQLITE


def test_a_url_and_a_connection_that_contradict_each_other_are_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r'flag --url: the connection "default" \(flag --connection\)'):
        load({"default": {"driver": "database"}}, url=REDIS, connection="default")


@pytest.mark.parametrize("name", ["redis", None, "default"])
def test_with_a_url_alone_the_connection_goes_by_its_driver_too(name: str | None) -> None:
    settings = load(url=REDIS)
    assert settings.connection(name) == ConnectionSettings(name="default", driver="redis", url=REDIS)
    assert load(url=REDIS, connection="redis").default == "default"


def test_a_connection_is_found_by_its_key_and_then_as_the_only_one_of_its_driver() -> None:
    config = {"main": {"driver": "database"}, "sync": {"driver": "memory"}, "s": {"driver": "sync"}}
    settings = load(config)
    assert settings.connection("database").name == "main"
    assert settings.connection("sync").driver == "memory"
    assert settings.default == "main"


def test_a_connection_that_is_not_there_is_named_with_what_there_is() -> None:
    for settings in (load(QUEUE_CONFIG), load(QUEUE_CONFIG, connection="redi")):
        with pytest.raises(ConfigurationError, match=r'^no connection "redi"$') as caught:
            settings.connection("redi")
        assert caught.value.hint == 'did you mean "redis"? there are: default (database), redis (redis)'
    with pytest.raises(ConfigurationError, match=r'^no connection "typo"$'):
        load(connection="typo").connection()
    with pytest.raises(ConfigurationError, match=r'^no connection "typo"$'):
        load(url=REDIS, connection="typo").connection()


def test_several_of_a_driver_must_be_told_apart() -> None:
    settings = load({"a": {"driver": "sync"}, "b": {"driver": "sync"}})
    with pytest.raises(ConfigurationError, match='several connections have the driver "sync"') as caught:
        settings.connection("sync")
    assert caught.value.hint == "a (sync), b (sync)"


def test_a_driver_and_an_address_that_contradict_each_other_are_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r'has the driver "redis" .* the address of a "database" store'):
        load({"default": {"driver": "redis", "url": POSTGRES}})


def test_a_connection_needs_a_driver_unless_its_address_tells() -> None:
    settings = load({"default": {"retry_after": 60}, "cache": {"url": REDIS}})
    assert (settings.connection().driver, settings.connection("cache").driver) == ("database", "redis")
    with pytest.raises(ConfigurationError, match='connection "cache" names no driver'):
        load({"default": {"driver": "sync"}, "cache": {"queue": "x"}})


@pytest.mark.parametrize("driver", ["memory", "sync", "null"])
def test_a_driver_without_a_store_has_no_address(driver: str) -> None:
    assert load(url=f"{driver}://").connection() == ConnectionSettings(name="default", driver=driver)
    assert load({"main": {"driver": driver}}).connection().url == ""
    assert load(url=f"{driver}://").connection().key_path is None


def test_code_may_say_none_in_place_of_leaving_out() -> None:
    assert load({"default": {"driver": "sync", "block_for": None}}).connection().block_for is None


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        *[(f"{scheme}://x", "database") for scheme in ("sqlite", "postgresql+psycopg", "postgres", "mysql", "mariadb")],
        *[(f"{scheme}://x", "redis") for scheme in ("redis", "rediss", "redis+sentinel", "redis+cluster", "unix")],
        *[(f"{scheme}://", scheme) for scheme in ("memory", "sync", "null")],
    ],
)
def test_a_url_leads_to_a_driver(url: str, driver: str) -> None:
    assert driver_of(url) == driver


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"])
def test_a_database_in_memory_stays_where_it_is_and_has_no_key_file(url: str) -> None:
    assert load(url=url).connection().url == url
    assert load(url=url).connection().key_path is None


def test_sqlite_files_become_absolute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert load(url="sqlite:////a/q.db").connection().url == "sqlite:////a/q.db"
    assert load(url="sqlite+pysqlite:///b/q.db").connection().url == "sqlite+pysqlite:////work-dir/b/q.db"
    assert load(url="sqlite:///~/q.db").connection().url == "sqlite:////home/ada/q.db"
    assert load(url=POSTGRES).connection().url == POSTGRES


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("postgresql://ada:secret@h:5432/q", "postgresql://ada:•••@h:5432/q"),
        ("redis://:secret@h/0", "redis://:•••@h/0"),
        ("redis+sentinel://u:secret@a:1,b:2/main/0", "redis+sentinel://u:•••@a:1,b:2/main/0"),
        ("mysql://u:secr/et@h/q", "mysql://u:•••@h/q"),
        ("mysql://u:se@cr:et@h/q", "mysql://u:•••@h/q"),
        ("postgresql://h/q?user=a&password=secret&x=1", "postgresql://h/q?user=a&password=•••&x=1"),
        ("postgresql://h/q?sslpassword=secret", "postgresql://h/q?sslpassword=•••"),
        ("redis://h/0?api_key=s&x=1", "redis://h/0?api_key=•••&x=1"),
        ("redis://h/0?x=1&ssl-Key=s#f", "redis://h/0?x=1&ssl-Key=•••#f"),
        ("redis://h/0?credential=s&proxy_auth=s", "redis://h/0?credential=•••&proxy_auth=•••"),
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("sqlite:////home/a@b/q.db", "sqlite:////home/a@b/q.db"),
        ("", ""),
    ],
)
def test_passwords_are_hidden_and_nothing_else(url: str, masked: str) -> None:
    assert mask_url(url) == masked


@given(st.text(min_size=4), st.sampled_from(["postgresql", "redis+sentinel", "mysql+pymysql"]))
def test_no_password_is_shown_however_it_is_written(password: str, scheme: str) -> None:
    assert mask_url(f"{scheme}://user:{password}@host/name") == f"{scheme}://user:•••@host/name"


def test_the_extra_that_holds_the_client_library_goes_by_the_address() -> None:
    assert load(url=POSTGRES).connection().extra == "postgres"
    assert load(url="mariadb://h/q").connection().extra == "mysql"
    assert load(url=REDIS).connection().extra == "redis"
