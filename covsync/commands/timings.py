"""Where a command's time goes, for ``--verbose``."""

from __future__ import annotations

import time


class Timings:
    """Phases that follow each other, each as long as it took since the one before."""

    def __init__(self) -> None:
        self._since = time.perf_counter()
        self._laps: list[tuple[str, float]] = []

    def lap(self, phase: str) -> None:
        """Ends a ``phase``."""
        now = time.perf_counter()
        self._laps.append((phase, now - self._since))
        self._since = now

    def lines(self) -> list[str]:
        """A line a phase: seconds, and what it was."""
        return [f"{seconds:8.3f} s  {phase}" for phase, seconds in self._laps]
