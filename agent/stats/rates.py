"""From counters to rates: how many nanocores something uses, by two readings of its CPU time. Pure.

Nothing is read at rest, so the reading before may be old: too old to say what is used now. Then a second one has to be taken
a moment later. What began lately needs none: its counter was zero when it began.
"""

from dataclasses import dataclass

#: Windows over which a rate is taken, in seconds. Shorter ones say little, longer ones say what was.
SHORTEST, LONGEST = 0.5, 120.0
#: Within this many seconds of a rate the same is told again instead of one over a window that is too short.
_LASTS = 5.0


@dataclass(frozen=True, slots=True)
class Rate:
    """`nanocores` over the `window` seconds that ended at `time` (since the epoch)."""

    nanocores: int
    window: float
    time: float


class Rates:
    """The last readings by key; those that are not read any more are forgotten with `keep`."""

    def __init__(self) -> None:
        self._base: dict[str, tuple[float, int]] = {}
        self._last: dict[str, Rate] = {}

    def take(self, key: str, *, time: float, cpu: int, began: float = 0.0) -> Rate | None:
        """A reading; `began`: when the counter was zero. None: another reading is needed, SHORTEST later."""
        base = self._base.get(key)
        if base is None or base[1] > cpu or base[0] > time:
            base = (began, 0) if time - began <= LONGEST else None
            self._last.pop(key, None)
        last = self._last.get(key)
        if last is not None and 0 <= time - last.time < _LASTS:
            return last
        if base is None or time - base[0] > LONGEST:
            self._base[key] = (time, cpu)
            return None
        if time - base[0] < SHORTEST:
            self._base.setdefault(key, base)
            return None
        window = time - base[0]
        rate = Rate(int((cpu - base[1]) / window), window, time)
        self._base[key], self._last[key] = (time, cpu), rate
        return rate

    def keep(self, keys: set[str]) -> None:
        """Forget all others."""
        for known in (self._base, self._last):
            for key in known.keys() - keys:
                del known[key]
