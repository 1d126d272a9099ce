"""Settings as rows, for `qctl config`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from qcore.config.model import ConnectionSettings, Settings
from qcore.config.urls import MASK, is_secret, mask_url

Row = tuple[str, Any, str]


def as_table(settings: Settings) -> list[Row]:
    """List every setting: its dotted name, its value with secrets masked, and where it was said.

    Origins read "flag --url", "environment QCTL_URL", a file's name, "app …" or "default".
    """
    return [(key, value, settings.origins.get(key, "default")) for key, value in _values(settings)]


def _values(settings: Settings) -> Iterator[tuple[str, Any]]:
    yield "default", settings.default
    yield "profile", settings.profile
    yield "app", settings.app
    yield "env", settings.env
    yield "read_only", settings.read_only
    yield "key", MASK if settings.key else None
    yield "previous_keys", [MASK] * len(settings.previous_keys)
    yield "signing_key", MASK if settings.signing_key else None
    yield "verify_keys", list(settings.verify_keys)
    yield "allowed_modules", None if settings.allowed_modules is None else list(settings.allowed_modules)
    yield "allow_closures", settings.allow_closures
    yield "tracing", settings.tracing
    yield "silenced", list(settings.silenced)
    yield "silenced_tags", list(settings.silenced_tags)
    for connection in settings.connections.values():
        yield from _connection(connection)
    for name, url in settings.stores.items():
        yield f"stores.{name}", mask_url(url)
    for queue in settings.protected:
        yield f"queues.{queue}.protected", True
    sections = [("worker", settings.worker), ("output", settings.output)]
    sections += [(f"supervisors.{name}", one) for name, one in settings.supervisors.items()]
    for section, values in sections:
        for field in msgspec.structs.fields(values):
            value = getattr(values, field.name)
            if field.name != "name" or section == "worker":  # a supervisor's name is in the section's
                yield f"{section}.{field.encode_name}", list(value) if isinstance(value, tuple) else value


def _connection(connection: ConnectionSettings) -> Iterator[tuple[str, Any]]:
    prefix = f"connections.{connection.name}"
    for key, value in msgspec.structs.asdict(connection).items():
        match key:
            case "name":
                continue
            case "url":
                yield f"{prefix}.url", mask_url(value)
            case "store":
                yield f"{prefix}.connection", value or None
            case "options":
                yield f"{prefix}.options", _masked(value)
            case _:
                yield f"{prefix}.{key}", value


def _masked(value: Any) -> Any:
    match value:
        case dict():
            return {key: MASK if is_secret(str(key)) else _masked(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_masked(inner) for inner in value]
        case str():
            return mask_url(value)
        case _:
            return value
