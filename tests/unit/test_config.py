from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qcore.config import ConnectionSettings, Settings, WorkerSettings, as_table, load_settings
from qcore.errors import ConfigurationError

Load = Callable[..., Settings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load settings in an empty folder, with no environment but the one given."""

    def loader(toml: str | None = None, *, env: dict[str, str] | None = None, **given: Any) -> Settings:
        if toml is not None:
            (tmp_path / "qctl.toml").write_text(toml)
        return load_settings(given.pop("flags", None), cwd=tmp_path, environ=env or {}, **given)

    return loader


def refusal(load: Load, *args: Any, **given: Any) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load(*args, **given)
    return caught.value


def test_with_nothing_configured_there_is_a_sqlite_file_in_the_working_directory(load: Load, tmp_path: Path) -> None:
    settings = load()
    assert settings.connection() == ConnectionSettings(
        name="default", driver="database", url=f"sqlite:///{tmp_path}/queue.db"
    )
    assert settings.connection().key_path == tmp_path / "queue.db.key"
    assert settings.worker == WorkerSettings()
    assert settings.config_file is None


# --- which source wins ---------------------------------------------------------------------------------------------


def test_flags_beat_the_environment_that_beats_the_file(load: Load) -> None:
    toml = 'app = "of.file"\nenv = "production"\n[worker]\ntries = 1\nsleep = 2\nrest = 3'
    settings = load(toml, env={"QCTL_TRIES": "5", "QCTL_SLEEP": "6", "QCTL_APP": ""}, flags={"tries": 9, "app": None})
    assert (settings.worker.tries, settings.worker.sleep, settings.worker.rest) == (9, 6.0, 3.0)
    assert (settings.app, settings.env, settings.is_production) == ("of.file", "production", True)
    assert {key: settings.origins[key] for key in ("worker.tries", "worker.sleep", "worker.rest", "app")} == {
        "worker.tries": "flag --tries",
        "worker.sleep": "environment QCTL_SLEEP",
        "worker.rest": "qctl.toml",
        "app": "qctl.toml",
    }


def test_a_profile_beats_the_rest_of_its_file_and_nothing_else(load: Load) -> None:
    toml = """
        app = "shop"
        [worker]
        tries = 1
        [profile.prod]
        env = "production"
        read_only = true
        worker = { tries = 7, sleep = 1 }
    """
    settings = load(toml, profile="prod", env={"QCTL_SLEEP": "9"})
    assert (settings.worker.tries, settings.worker.sleep, settings.read_only) == (7, 9.0, True)
    assert (settings.profile, settings.app) == ("prod", "shop")
    assert settings.origins["worker.tries"] == "qctl.toml [profile.prod]"
    assert load(toml).worker.tries == 1
    assert load(toml, env={"QCTL_PROFILE": "prod"}).worker.tries == 7
    assert load(toml, flags={"profile": "prod"}).worker.tries == 7


def test_a_profile_that_is_not_there_is_an_error(load: Load) -> None:
    assert "there is no configuration file" in str(refusal(load, profile="prod"))
    error = refusal(load, "[profile.prod]", profile="pord")
    assert str(error) == 'qctl.toml: no profile "pord"'
    assert error.hint == 'did you mean "prod"? there are: prod'


def test_values_of_the_environment_are_read_as_their_kind(load: Load) -> None:
    env = {
        "QCTL_QUEUE": "high, default",
        "QCTL_TIMEOUT": "5m",
        "QCTL_BACKOFF": "5,30s,2m",
        "QCTL_MEMORY": "256",
        "QCTL_FAIR": "yes",
        "QCTL_READ_ONLY": "0",
        "QCTL_GRANT": "pay",
        "QCTL_KEY": "base64:x",
        "QCTL_PREVIOUS_KEYS": "base64:a,base64:b",
        "QCTL_COLOR": "never",
        "QCTL_OUTPUT": "json",
        "QCTL_SOMETHING_ELSE": "is not ours",
    }
    settings = load(env=env)
    assert settings.worker == WorkerSettings(
        queue=("high", "default"),
        timeout=300.0,
        backoff=(5.0, 30.0, 120.0),
        memory=256,
        fair=True,
        grant=("pay",),
    )
    assert (settings.read_only, settings.key) == (False, "base64:x")
    assert settings.previous_keys == ("base64:a", "base64:b")
    assert (settings.output.color, settings.output.format) == ("never", "json")


def test_files_may_write_lists_and_durations_either_way(load: Load) -> None:
    settings = load('[worker]\nqueue = ["a", "b"]\nbackoff = [1, "1m"]\ntimeout = 0.5\nmax_time = "2h"')
    assert settings.worker.queue == ("a", "b")
    assert settings.worker.backoff == (1.0, 60.0)
    assert (settings.worker.timeout, settings.worker.max_time) == (0.5, 7200.0)
    assert load('[worker]\nbackoff = "5"\nqueue = "a,b"').worker.backoff == 5.0


def test_queues_may_be_protected(load: Load) -> None:
    assert load("[queues.payments]\nprotected = true\n[queues.mail]\nprotected = false").protected == ("payments",)


# --- what is wrong, and what to write -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("toml", "words", "hint"),
    [
        ("[worker", "qctl.toml: not valid TOML:", "mend "),
        ("[worker]\ntreis = 1", 'qctl.toml: unknown setting "worker.treis"', 'did you mean "tries"?'),
        ("tries = 1", 'qctl.toml: unknown setting "tries"', "write tries under [worker]"),
        ("zzz = 1", 'qctl.toml: unknown setting "zzz"', "there are: allow_closures, allowed_modules, app, "),
        ('[worker]\ntries = "3"', "qctl.toml: worker.tries is '3'", "write a whole number, such as 3"),
        ("[worker]\ntries = true", "qctl.toml: worker.tries is True", "write a whole number, such as 3"),
        ("[worker]\ntries = -1", "qctl.toml: worker.tries is -1", "write a whole number, such as 3"),
        ("[worker]\ntimeout = inf", "qctl.toml: worker.timeout is inf", 'write seconds, such as 90 or "5m"'),
        ("[worker]\ntimeout = 'soon'", "qctl.toml: worker.timeout is 'soon'", 'write seconds, such as 90 or "5m"'),
        ("[worker]\nbackoff = []", "qctl.toml: worker.backoff is []", "write seconds, or a list of them"),
        ("[worker]\nqueue = 'a,,b'", "qctl.toml: worker.queue is 'a,,b'", "write a list of texts"),
        ("[worker]\nqueue = 5", "qctl.toml: worker.queue is 5", "write a list of texts"),
        ("[worker]\nfair = 1", "qctl.toml: worker.fair is 1", "write true or false"),
        ("worker = 5", 'qctl.toml: "worker" must be a table, and is a number', "qctl help config"),
        ("key = 5", "qctl.toml: key is a number", "write a text"),
        ("app = ''", "qctl.toml: app is an empty text", "write a text"),
        ("[output]\ncolor = 'red'", "qctl.toml: output.color is 'red'", "write one of auto, always, never"),
        ("[connections]\nx = 1", 'qctl.toml: "connections.x" must be a table', "qctl help config"),
        (
            "[connections.x]\ndriver = 'redis'\nurls = 'y'",
            'unknown setting "connections.x.urls"',
            'did you mean "url"?',
        ),
        ("[connections.default]\nretry_after = 0", "connections.default.retry_after is 0", "write seconds above 0"),
        ("[connections.default]\noptions = 1", "connections.default.options is 1", "write a table"),
        ("[stores]\na = 1", "qctl.toml: stores.a is a number", "write a URL"),
        ("[queues.a]\nprotect = true", 'unknown setting "queues.a.protect"', 'did you mean "protected"?'),
        ("profile = 1", 'qctl.toml: "profile" must be a table', "qctl help config"),
    ],
)
def test_a_mistake_in_a_file_is_named_with_what_to_write(load: Load, toml: str, words: str, hint: str) -> None:
    error = refusal(load, toml)
    assert words in str(error)
    assert hint in error.hint


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("QCTL_TRIES", "abc", "environment QCTL_TRIES: worker.tries is 'abc'"),
        ("QCTL_TRIES", "-1", "environment QCTL_TRIES: worker.tries is -1"),
        ("QCTL_FAIR", "maybe", "environment QCTL_FAIR: worker.fair is 'maybe'"),
        ("QCTL_TIMEOUT", "1y", "environment QCTL_TIMEOUT: worker.timeout is '1y'"),
        ("QCTL_URL", "queue.db", "environment QCTL_URL: the address of a store must be a URL, and has no ://"),
        ("QCTL_URL", "ftp://host", 'environment QCTL_URL: no driver knows URLs that begin with "ftp://"'),
    ],
)
def test_a_mistake_in_the_environment_is_named(load: Load, name: str, value: str, words: str) -> None:
    assert str(refusal(load, env={name: value})) == words


def test_a_flag_that_is_no_setting_is_named(load: Load) -> None:
    error = refusal(load, flags={"ulr": "redis://h"})
    assert str(error) == 'no setting "ulr"'
    assert 'did you mean "url"?' in error.hint


def test_a_mistake_never_repeats_a_secret(load: Load) -> None:
    for toml in ('url = ["redis://:hunter2@h"]', 'key = ["hunter2"]', '[connections.default]\nurl = ["hunter2"]'):
        error = refusal(load, toml)
        assert "hunter2" not in f"{error} {error.hint}"


def test_a_working_directory_that_is_gone_is_an_error_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(ConfigurationError, match="the working directory is gone"):
        load_settings(environ={})


# --- all of it, shown ------------------------------------------------------------------------------------------------


def test_the_table_shows_every_setting_with_its_origin_and_no_secret(load: Load, tmp_path: Path) -> None:
    toml = """
        key = "base64:hunter2"
        previous_keys = ["base64:hunter2"]
        [stores]
        cache = "redis://:hunter2@host/0"
        [connections.cache]
        driver = "redis"
        connection = "cache"
        [connections.cache.options]
        password = "hunter2"
        credential = "hunter2"
        nested = { token = "hunter2", plain = 1, proxy = "socks5://u:hunter2@h" }
        sentinels = [{ password = "hunter2", host = "a" }, "redis://h/0?api_key=hunter2"]
        [queues.pay]
        protected = true
    """
    settings = load(toml, env={"QCTL_URL": "postgresql://ada:hunter2@h/q"}, flags={"queue": "a,b"})
    rows = {key: (value, origin) for key, value, origin in as_table(settings)}
    assert "hunter2" not in repr(rows)
    assert rows["default"] == ("database", "environment QCTL_URL")
    assert rows["connections.database.url"] == ("postgresql://ada:•••@h/q", "environment QCTL_URL")
    assert rows["connections.cache.url"] == ("redis://:•••@host/0", "qctl.toml")
    assert rows["connections.cache.connection"] == ("cache", "qctl.toml")
    assert rows["connections.cache.retry_after"] == (3600.0, "default")
    options = rows["connections.cache.options"][0]
    assert options["nested"] == {"token": "•••", "plain": 1, "proxy": "socks5://u:•••@h"}
    assert options["sentinels"] == [{"password": "•••", "host": "a"}, "redis://h/0?api_key=•••"]
    assert rows["stores.cache"] == ("redis://:•••@host/0", "qctl.toml")
    assert rows["key"] == ("•••", "qctl.toml")
    assert rows["previous_keys"] == (["•••"], "qctl.toml")
    assert rows["worker.queue"] == (["a", "b"], "flag --queue")
    assert rows["worker.tries"] == (None, "default")
    assert rows["queues.pay.protected"] == (True, "qctl.toml")
    assert rows["profile"] == ("default", "default")


def test_settings_are_light_to_import_and_to_load(tmp_path: Path) -> None:
    code = (
        "import sys; from qcore.config import load_settings; load_settings(environ={});"
        "print([name for name in ('tomllib', 'difflib', 'sqlalchemy', 'redis', 'cryptography') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
