"""Settings: where they come from, what they mean. Strings end here; everything above holds values.

First wins: flags, `QCTL_*` environment, one file, the application module, defaults. Nothing is imported,
opened or connected to.
"""

from __future__ import annotations

from qcore.config.loading import load_settings
from qcore.config.model import LEASE_S, ConnectionSettings, OutputSettings, Settings, SupervisorSettings, WorkerSettings
from qcore.config.table import as_table
from qcore.config.urls import driver_of, mask_url

__all__ = [
    "LEASE_S",
    "ConnectionSettings",
    "OutputSettings",
    "Settings",
    "SupervisorSettings",
    "WorkerSettings",
    "as_table",
    "driver_of",
    "load_settings",
    "mask_url",
]
