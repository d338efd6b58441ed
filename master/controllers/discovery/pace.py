"""How often a Service's endpoints are computed anew: at once for small ones, in batches for those with very many pods.

Each change of a pod asks for its Service. Computing one with thousands of pods takes a good part of 100 ms, during which the
event loop serves nobody else; while thousands of pods start, that must not happen for each of them.
"""

from master.controllers.objects.metadata import Key

_CHEAP = 0.005
"""Seconds of computing that need no pause."""
_SHARE = 10
"""A pause is so many times as long as the computing took: a tenth of the event loop's time at most."""
_LONGEST = 1.0


class Pace:
    """Remembers what computing each key took last."""

    def __init__(self) -> None:
        self._pauses: dict[Key, float] = {}

    def pause(self, key: Key) -> float:
        """Seconds to wait before the key is computed again."""
        return self._pauses.get(key, 0.0)

    def took(self, key: Key, seconds: float) -> None:
        if seconds > _CHEAP:
            self._pauses[key] = min(_LONGEST, _SHARE * seconds)
        else:
            self.forget(key)

    def forget(self, key: Key) -> None:
        self._pauses.pop(key, None)
