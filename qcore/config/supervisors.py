"""Pools of workers in a configuration, and what cannot be said of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qcore.config.layers import Found, Layer
from qcore.config.model import ConnectionSettings, SupervisorSettings
from qcore.config.options import field_of
from qcore.config.suggestions import did_you_mean
from qcore.errors import ConfigurationError


def supervisors_in(found: Layer, connections: Iterable[ConnectionSettings]) -> dict[str, SupervisorSettings]:
    """Read every pool.

    Raises:
        ConfigurationError: one contradicts itself, or names no queue or a connection that is not there.
    """
    tables: dict[str, dict[str, Found]] = {}
    for path, one in found.items():
        if path[0] == "supervisors":
            tables.setdefault(path[1], {})[path[2]] = one
    known = list(connections)
    return {name: _supervisor(name, table, known) for name, table in tables.items()}


def _supervisor(name: str, table: dict[str, Found], connections: list[ConnectionSettings]) -> SupervisorSettings:
    origin = next(iter(table.values())).origin
    where = f"{origin}: supervisors.{name}"
    if "queues" not in table or not table["queues"].value:
        raise ConfigurationError(f"{where} names no queue", hint='write queues = "high,default"')
    values: dict[str, Any] = {field_of(key): one.value for key, one in table.items()}
    values["queues"] = tuple(dict.fromkeys(values["queues"]))
    supervisor = SupervisorSettings(name=name, **values)
    _check_connection(where, supervisor.connection, connections)
    _check_processes(where, supervisor)
    if supervisor.threads and supervisor.async_:
        raise ConfigurationError(f"{where} has threads and async", hint="leave one of the two out")
    return supervisor


def _check_connection(where: str, name: str | None, connections: list[ConnectionSettings]) -> None:
    names = [one.name for one in connections]
    if name is not None and name not in names and name not in {one.driver for one in connections}:
        raise ConfigurationError(
            f'{where}: there is no connection "{name}"',
            hint=f"{did_you_mean(name, names)}there are: {', '.join(names)}",
        )


def _check_processes(where: str, supervisor: SupervisorSettings) -> None:
    groups = 1 if supervisor.balance == "off" else len(supervisor.queues)
    least = groups * (1 if supervisor.balance == "simple" else supervisor.min_processes)
    if supervisor.max_processes < least:
        needs = f"its {groups} queues need at least {least}" if groups > 1 else f"min_processes is {least}"
        raise ConfigurationError(
            f"{where}: max_processes is {supervisor.max_processes}, but {needs}",
            hint=f"write max_processes = {least} or more",
        )
