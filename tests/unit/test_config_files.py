from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qcore.config import Settings, load_settings
from qcore.errors import ConfigurationError


def load(cwd: Path, **given: Any) -> Settings:
    given.setdefault("environ", {})
    return load_settings(cwd=cwd, **given)


def written(path: Path, app: str, table: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{table}\napp = "{app}"\n')
    return path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with a folder some way down."""
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    deep = tmp_path / "repo" / "src" / "shop"
    deep.mkdir(parents=True)
    return deep


def test_a_file_is_looked_for_up_to_the_root_of_the_repository(project: Path) -> None:
    root = project.parent.parent
    written(root.parent / "qctl.toml", "outside")
    assert load(project).app is None
    path = written(root / "qctl.toml", "root")
    settings = load(project)
    assert (settings.app, settings.config_file, settings.origins["app"]) == ("root", str(path), str(path))
    written(project / "qctl.toml", "nearest")
    assert load(project).app == "nearest"


def test_outside_of_a_repository_only_the_folder_itself_counts(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    written(tmp_path / "qctl.toml", "above")
    assert load(inner).app is None
    assert load(tmp_path).app == "above"


def test_the_order_of_the_files(project: Path, tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "xdg"), "HOME": str(tmp_path / "home")}
    written(tmp_path / "home" / ".config" / "qctl" / "config.toml", "home")
    assert load(project, environ={"HOME": environ["HOME"]}).app == "home"
    written(tmp_path / "xdg" / "qctl" / "config.toml", "xdg")
    assert load(project, environ=environ).app == "xdg"
    written(project.parent / "pyproject.toml", "pyproject", "[tool.qctl]")
    found = load(project, environ=environ)
    assert (found.app, found.origins["app"]) == ("pyproject", f"{project.parent / 'pyproject.toml'} [tool.qctl]")
    written(project.parent.parent / "qctl.toml", "toml")
    assert load(project, environ=environ).app == "toml"
    named = written(tmp_path / "named.toml", "named")
    assert load(project, environ=environ | {"QCTL_CONFIG": str(named)}).app == "named"
    flagged = written(tmp_path / "flagged.toml", "flagged")
    assert load(project, environ={"QCTL_CONFIG": str(named)}, config_file=flagged).app == "flagged"
    assert load(project, environ={"QCTL_CONFIG": str(named)}, flags={"config": str(flagged)}).app == "flagged"


def test_a_named_file_may_be_relative_or_a_pyproject(project: Path) -> None:
    written(project / "conf" / "prod.toml", "prod")
    assert load(project, config_file="conf/prod.toml").app == "prod"
    written(project / "pyproject.toml", "tool", "[tool.qctl]")
    assert load(project, config_file="pyproject.toml").app == "tool"


@pytest.mark.parametrize(
    "text", ['[project]\nname = "qctl-user"', "[tool.ruff]\n# qctl", "[tool.qctl]", "[broken", "tool = 'qctl'"]
)
def test_a_pyproject_without_our_table_says_nothing(project: Path, text: str) -> None:
    (project / "pyproject.toml").write_text(text)
    assert load(project).config_file is None


def test_a_pyproject_that_may_hold_our_table_must_be_readable(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.qctl]\napp = ")
    with pytest.raises(ConfigurationError, match=r"pyproject\.toml \[tool\.qctl\]: not valid TOML"):
        load(project)


def test_relative_sqlite_files_lie_beside_what_names_them(project: Path) -> None:
    root = project.parent.parent
    (root / "qctl.toml").write_text('url = "sqlite:///data/queue.db?mode=rw"')
    assert load(project).connection().url == f"sqlite:///{root}/data/queue.db?mode=rw"
    assert load(project, environ={"QCTL_URL": "sqlite:///queue.db"}).connection().url == f"sqlite:///{project}/queue.db"


def test_a_file_that_is_missing_or_no_file_is_named(project: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.toml: No such file") as caught:
        load(project, config_file="none.toml")
    assert "--config" in caught.value.hint
    with pytest.raises(ConfigurationError, match="Is a directory"):
        load(project, config_file=".")


def test_a_file_that_is_not_utf_8_is_named(project: Path) -> None:
    (project / "qctl.toml").write_bytes(b'app = "caf\xe9"')
    with pytest.raises(ConfigurationError, match=r"qctl\.toml: not UTF-8 \(byte 10\)"):
        load(project)


@pytest.mark.parametrize("name", ["qctl.toml", "pyproject.toml"])
@pytest.mark.parametrize("open_to_all", ["folder", "file"])
def test_a_file_that_anybody_may_have_written_is_refused(project: Path, name: str, open_to_all: str) -> None:
    path = written(project / name, "evil", "[tool.qctl]" if name == "pyproject.toml" else "")
    place = project if open_to_all == "folder" else path
    place.chmod(0o777)
    with pytest.raises(ConfigurationError, match="refused, since anybody may write to") as caught:
        load(project)
    assert f'chmod o-w "{place}"' in caught.value.hint
    assert load(project, config_file=name).app == "evil"  # named on purpose


def test_the_application_module_gives_connections_and_stores(tmp_path: Path) -> None:
    config = {"QUEUE_CONFIG": {"main": {"driver": "redis", "connection": "r"}}, "STORES": {"r": "redis://h"}}
    settings = load(tmp_path, app_config=config, flags={"app": "shop.queues"})
    assert settings.connection().url == "redis://h"
    assert settings.origins["connections.main.driver"] == "app shop.queues.QUEUE_CONFIG"
    assert settings.origins["connections.main.url"] == "app shop.queues.STORES"
    assert load(tmp_path, app_config=config).origins["connections.main.driver"] == "QUEUE_CONFIG"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"QUEUE_CONFIGS": {}}, "QUEUE_CONFIGS: no such setting"),
        ({"QUEUE_CONFIG": 5}, "QUEUE_CONFIG: must be a table, and is a number"),
        ({"QUEUE_CONFIG": {"default": "database"}}, '"connections.default" must be a table, and is a text'),
        ({"QUEUE_CONFIG": {"default": {"drivr": "x"}}}, 'unknown setting "connections.default.drivr"'),
        ({"QUEUE_CONFIG": {5: {"driver": "sync"}}}, "holds the name 5"),
        ({"STORES": {"a": None, "b": 5}}, "STORES: stores.b is a number"),
    ],
)
def test_a_mistake_in_the_application_module_is_named(tmp_path: Path, config: Any, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, app_config=config)
    assert words in str(caught.value)
