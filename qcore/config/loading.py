"""From all sources to one `Settings`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qcore.config.connections import Connections
from qcore.config.files import find_source
from qcore.config.layers import Layer, from_app, from_environment, from_file, from_flags
from qcore.config.model import OutputSettings, Settings, WorkerSettings
from qcore.config.options import field_of
from qcore.config.supervisors import supervisors_in
from qcore.errors import ConfigurationError


def load_settings(
    flags: Mapping[str, Any] | None = None,
    *,
    config_file: Path | str | None = None,
    profile: str | None = None,
    cwd: Path | str | None = None,
    environ: Mapping[str, str] | None = None,
    app_config: Mapping[str, Any] | None = None,
) -> Settings:
    """Read the settings in force; nothing is imported, opened or connected to.

    First wins: flags, environment, the file's profile, the file, the application, defaults.

    Args:
        flags: by name without dashes (`url`, `connection`, `tries`, …); None is a flag not given.
        config_file: the file to read instead of the one that is found.
        profile: which of the file's profiles.
        cwd: where to look for files, and where a relative SQLite file lies.
        environ: instead of the process's.
        app_config: `QUEUE_CONFIG` and `STORES` of the application module, which the caller has imported.

    Raises:
        ConfigurationError: what is wrong, in which source, and what to write instead.
    """
    here = _directory(cwd)
    environ = os.environ if environ is None else environ
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    config_file = config_file or given.pop("config", None) or environ.get("QCTL_CONFIG")
    profile = profile or given.pop("profile", None) or environ.get("QCTL_PROFILE") or "default"
    source = find_source(config_file, here, environ)
    layers = [from_flags(given, here), from_environment(environ, here)]
    if source is not None:
        layers += from_file(source, profile)
    elif profile != "default":
        raise ConfigurationError(f'no profile "{profile}": there is no configuration file', hint="write a qctl.toml")
    found = _merged(layers)
    if app_config:
        app = found.get(("app",))
        found = _merged([found, from_app(app_config, app.value if app else None, here)])
    return _settings(found, here, profile, str(source.path) if source else None)


def _settings(found: Layer, cwd: Path, profile: str, config_file: str | None) -> Settings:
    connections = Connections(found, cwd)
    top = {path[0]: one.value for path, one in found.items() if path[0] in _PLAIN}
    return Settings(
        connections=connections.by_name,
        default=connections.default,
        stores={path[1]: one.value for path, one in found.items() if path[0] == "stores"},
        protected=tuple(path[1] for path, one in found.items() if path[0] == "queues" and one.value),
        profile=profile,
        worker=WorkerSettings(**_section(found, "worker")),
        supervisors=supervisors_in(found, connections.by_name.values()),
        output=OutputSettings(**_section(found, "output")),
        config_file=config_file,
        origins={".".join(path): one.origin for path, one in found.items()} | connections.origins,
        **top,
    )


_PLAIN = frozenset(
    {
        "app",
        "key",
        "previous_keys",
        "signing_key",
        "verify_keys",
        "allowed_modules",
        "allow_closures",
        "tracing",
        "silenced",
        "silenced_tags",
        "env",
        "read_only",
    }
)


def _section(found: Layer, name: str) -> dict[str, Any]:
    return {field_of(path[1]): one.value for path, one in found.items() if path[0] == name}


def _merged(layers: list[Layer]) -> Layer:
    merged: Layer = {}
    for layer in layers:
        merged = layer | merged
    return merged


def _directory(cwd: Path | str | None) -> Path:
    try:
        return Path(cwd).absolute() if cwd else Path.cwd()
    except FileNotFoundError as error:
        raise ConfigurationError("the working directory is gone", hint="change to one that exists") from error
