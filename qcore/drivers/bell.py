"""What ends a wait from elsewhere in the process."""

from __future__ import annotations

import contextlib
import os
import select
from typing import Any


class Bell:
    """A pipe that ends a blocking wait from elsewhere in the process, even from a signal handler."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)

    def fileno(self) -> int:
        """The descriptor to select on, beside the store's own."""
        return self._read

    def ring(self) -> None:
        """End the wait under way, or the next one."""
        with contextlib.suppress(BlockingIOError):  # full: it rings already
            os.write(self._write, b"!")

    def silence(self) -> None:
        """Forget that it rang."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._read, 512):
                pass

    def wait(self, timeout_s: float, *others: Any) -> bool:
        """Wait for the bell, or one of `others` (descriptors), to be readable; whether an other one was."""
        ready, _, _ = select.select([self._read, *others], [], [], max(0.0, timeout_s))
        if self._read in ready:
            self.silence()
            ready.remove(self._read)
        return bool(ready)

    def close(self) -> None:
        """Give the descriptors back."""
        os.close(self._read)
        os.close(self._write)
