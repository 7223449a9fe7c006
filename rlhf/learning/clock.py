"""Where the seconds of an update go."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Wall time since its making, and the part spent in each named phase."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._phases: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time inside the block towards a phase."""
        began = time.perf_counter()
        yield
        self._phases[name] += time.perf_counter() - began

    def seconds(self) -> dict[str, float]:
        """Seconds altogether and by phase, under the names of the metrics."""
        phases = {f"seconds_{name}": spent for name, spent in self._phases.items()}
        return {"seconds": time.perf_counter() - self._began, **phases}
