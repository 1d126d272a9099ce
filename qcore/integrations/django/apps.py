"""The app: finds the jobs of every app, and lets them go where the settings say."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules

from qcore.integrations.configuring import install


class QueueConfig(AppConfig):  # type: ignore[misc]  # Django comes without types
    """Imports the module `jobs` of every app, and installs the manager of `settings.QCORE`."""

    name = "qcore.integrations.django"
    label = "qcore"
    verbose_name = "Queue"

    def ready(self) -> None:
        """Set up this process; raises `ConfigurationError` where a setting is wrong."""
        from qcore.integrations.django.manager import opened

        autodiscover_modules("jobs")
        install(opened({}))
