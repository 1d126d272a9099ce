"""What a job class may ask for by inheriting from it."""

from __future__ import annotations


class ShouldBeEncrypted:
    """Let a job's arguments travel as ciphertext: `class Pay(Job, ShouldBeEncrypted)`.

    They and what `handle` returns can be read with the app key alone: not in the store or a backup of it, not in
    lists, screens and logs, and not in the record of a failure. Class, queue, tags and options stay clear.
    """
