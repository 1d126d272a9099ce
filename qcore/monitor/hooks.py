"""Ways to tell somebody of an alert: a command, a webhook, or whatever `apprise` reaches."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec

from qcore.errors import ConfigurationError
from qcore.monitor.alerts import Alert

_log = logging.getLogger("qcore")

COMMAND_TIMEOUT_S = 30.0
WEBHOOK_TIMEOUT_S = 5.0
WEBHOOK_TRIES = 3
_SERVER_ERROR = 500


class HookFailed(Exception):  # noqa: N818  as the errors of qcore are named
    """Nobody was told, or nobody heard."""


class Hook(Protocol):
    """One way to tell somebody."""

    def tell(self, alert: Alert) -> None:
        """Tell of an alert; raises `HookFailed`."""
        ...


def tell_all(hooks: Sequence[Hook], alert: Alert) -> int:
    """Tell everybody; one that fails is logged and keeps no other from it. Returns how many failed."""
    failed = 0
    for hook in hooks:
        try:
            hook.tell(alert)
        except HookFailed as failure:
            failed += 1
            _log.warning("not told of %s: %s", alert.text, failure)
    return failed


def facts_of(alert: Alert) -> dict[str, Any]:
    """What a hook is told, as JSON knows it."""
    return {**msgspec.to_builtins(alert), "text": alert.text}


class CommandHook:
    """Runs a command of the shell, with the facts as JSON on stdin and in `QCTL_ALERT_*`."""

    def __init__(self, command: str, *, timeout_s: float = COMMAND_TIMEOUT_S) -> None:
        self._command = command
        self._timeout_s = timeout_s

    def tell(self, alert: Alert) -> None:
        """Run it to its end; what it prints goes where ours goes, on stderr."""
        facts = facts_of(alert)
        told = {f"QCTL_ALERT_{name.upper()}": str(value) for name, value in facts.items()}
        try:
            ended = subprocess.run(  # noqa: S602  the operator's own command line
                self._command,
                shell=True,
                input=json.dumps(facts).encode(),
                env={**os.environ, **told},
                stdout=subprocess.DEVNULL,
                timeout=self._timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise HookFailed(f"the command did not end within {self._timeout_s:g} s") from None
        except OSError as error:
            raise HookFailed(f"the command could not be run: {error}") from error
        if ended.returncode:
            raise HookFailed(f"the command ended with exit code {ended.returncode}")


class WebhookHook:
    """Posts the facts as JSON; a server that does not answer, or fails, is asked twice more.

    Raises:
        ConfigurationError: the URL is none of HTTP.
    """

    def __init__(self, url: str, *, pause: Callable[[float], None] = time.sleep) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigurationError("a webhook needs an http:// or https:// URL", hint="https://example.org/alerts")
        self._url = url
        self._where = f"{parts.scheme}://{parts.hostname}"  # its path and user are often secrets
        self._pause = pause

    def tell(self, alert: Alert) -> None:
        """Post, up to three times."""
        body = json.dumps(facts_of(alert)).encode()
        for attempt in range(1, WEBHOOK_TRIES + 1):
            failure, is_final = self._post(body)
            if failure is None:
                return
            if is_final or attempt == WEBHOOK_TRIES:
                raise HookFailed(f"{self._where}: {failure}")
            self._pause(0.5 * attempt)

    def _post(self, body: bytes) -> tuple[str | None, bool]:
        """What went wrong, if anything, and whether asking again is of no use."""
        headers = {"Content-Type": "application/json", "User-Agent": "qctl"}
        request = urllib.request.Request(self._url, data=body, headers=headers, method="POST")  # noqa: S310  checked
        try:
            with urllib.request.urlopen(request, timeout=WEBHOOK_TIMEOUT_S):  # noqa: S310  checked
                return None, True
        except urllib.error.HTTPError as error:
            error.close()
            return f"it answered {error.code}", error.code < _SERVER_ERROR
        except (OSError, ValueError) as error:
            return str(getattr(error, "reason", error)), False


class AppriseHook:
    """Tells by whatever service an Apprise URL names.

    Raises:
        ConfigurationError: apprise is not installed, or does not know such a URL.
    """

    def __init__(self, url: str) -> None:
        try:
            apprise = import_module("apprise")
        except ModuleNotFoundError as error:
            raise ConfigurationError("apprise is not installed", hint="pip install apprise") from error
        self._services = apprise.Apprise()
        if not self._services.add(url):
            raise ConfigurationError("apprise knows no such URL", hint="see the list of services of apprise")

    def tell(self, alert: Alert) -> None:
        """Notify it."""
        if not self._services.notify(title=f"qctl: {alert.queue} {alert.state}", body=alert.text):
            raise HookFailed("apprise could not tell its service")
