"""Work made of jobs: batches, chains and graphs, which underneath are one.

`plan` is the neutral tree that `batch`, `chain` and `graph` build; `callbacks` are what runs when a flow has come so
far; `following` tells where one is.
"""

from __future__ import annotations

from qcore.workflows import following as _following  # noqa: F401  whoever runs callbacks needs what they are given
