"""How many jobs to hold: about 50 ms of work, so that a busy worker asks the store seldom and hoards little."""

from __future__ import annotations

AHEAD_S = 0.05
LONG_S = 0.005
"""A class that usually runs longer is long: unsent settlements leave before it starts."""
_MOST = 1000
_WEIGHT = 0.2
_OUTLIER = 4.0
"""A runtime counts as so many times the usual one at the most: a single one, held up by the host, changes little."""


class Prefetch:
    """Learns how long each job class usually runs."""

    def __init__(self) -> None:
        self._usual_s: dict[str, float] = {}
        self._mean_s = AHEAD_S

    def learn(self, job: str, runtime_s: float) -> None:
        """Note the runtime of one attempt, in seconds."""
        usual_s = self._usual_s.get(job, runtime_s)
        self._usual_s[job] = usual_s + _WEIGHT * (min(runtime_s, _OUTLIER * usual_s) - usual_s)
        mean_s = self._mean_s
        self._mean_s = mean_s + _WEIGHT * (min(runtime_s, _OUTLIER * mean_s) - mean_s)

    def is_long(self, job: str) -> bool:
        """Whether attempts of this class are unknown, or usually longer than 5 ms."""
        return self._usual_s.get(job, 1.0) > LONG_S

    def target(self, places: int) -> int:
        """Jobs to hold at the most, where so many run at a time."""
        return max(1, min(_MOST, int(places * AHEAD_S / max(self._mean_s, 1e-6))))
