"""Which keys a connection's payloads are signed with."""

from __future__ import annotations

import logging

from qcore.config import ConnectionSettings, Settings
from qcore.crypto.keyring import Keyring, key_file

_log = logging.getLogger("qcore")


def keyring_of(settings: Settings, connection: ConnectionSettings) -> Keyring | None:
    """Find the keys: the configured ones, else the key file beside an embedded store, else none.

    The key file is made at first use, and that is said once.
    """
    if settings.key:
        return Keyring.of(settings.key, settings.previous_keys)
    path = connection.key_path
    if path is None:
        return None
    keyring, is_new, warning = key_file(path)
    if is_new:
        _log.warning(
            "made a key that signs the jobs of this database: %s (keep it secret, and with the database)",
            path,
        )
    if warning:
        _log.warning("%s", warning)
    return keyring
