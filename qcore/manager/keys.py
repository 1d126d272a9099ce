"""Which keys a connection's payloads are signed with."""

from __future__ import annotations

import logging

from qcore.config import ConnectionSettings, Settings
from qcore.crypto.keyring import Keyring, key_file
from qcore.crypto.pair import Pair
from qcore.errors import ConfigurationError

_log = logging.getLogger("qcore")


def keyring_of(settings: Settings, connection: ConnectionSettings) -> Keyring | None:
    """Find the keys: the configured ones, else the key file beside an embedded store, else none.

    A pair, where one is configured, signs in their place; they encrypt. Previous keys stand behind either.
    The key file is made at first use, and that is said once.

    Raises:
        ConfigurationError: a key is none, or there are previous keys and none before which they were.
    """
    pair = _pair_of(settings)
    path = connection.key_path
    if settings.key:
        return Keyring.of(settings.key, settings.previous_keys, pair)
    if path is None and settings.previous_keys:
        raise ConfigurationError(
            f'connection "{connection.name}" has previous keys (QCTL_PREVIOUS_KEYS), and no key that is in force',
            hint="set QCTL_KEY too: to the key that took their place, or to a new one of qctl key:generate",
        )
    if path is None:
        return None if pair is None else Keyring(None, pair=pair)
    keyring, is_new, warning = key_file(path, pair, settings.previous_keys)
    if is_new:
        _log.warning(
            "made a key that signs the jobs of this database: %s (keep it secret, and with the database)",
            path,
        )
    if warning:
        _log.warning("%s", warning)
    return keyring


def _pair_of(settings: Settings) -> Pair | None:
    if settings.signing_key is None and not settings.verify_keys:
        return None
    return Pair(settings.signing_key, settings.verify_keys)
