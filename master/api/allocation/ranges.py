"""A range of integers of which each has at most one owner.

As Kubernetes' allocators do (KEP-3070), numbers that nobody asked for by name come from the upper part first, so that the
lower part stays free for those that are.
"""

import random

#: What is kept for values asked for by name: between these, a sixteenth of the range (KEP-3070).
_BAND_LEAST = 16
_BAND_MOST = 256


class RangeFull(Exception):
    """Every number of the range has an owner."""


class OwnedRange:
    """Numbers from `first` to `last`, both included. Owners are store keys."""

    def __init__(self, first: int, last: int) -> None:
        self.first = first
        self.last = last
        self._owners: dict[int, str] = {}
        size = last - first + 1
        band = min(max(_BAND_LEAST, size // 16), _BAND_MOST)
        self._dynamic = first + (band if band < size else 0)

    def __contains__(self, number: int) -> bool:
        return self.first <= number <= self.last

    def owner(self, number: int) -> str | None:
        return self._owners.get(number)

    def hold(self, number: int, owner: str) -> None:
        """Note the owner of a number, whoever had it before (what the store says wins)."""
        self._owners[number] = owner

    def free(self, number: int, owner: str) -> None:
        """Free a number if `owner` has it."""
        if self._owners.get(number) == owner:
            del self._owners[number]

    def clear(self) -> None:
        self._owners.clear()

    def next_free(self) -> int:
        """A free number, not held yet. Raises RangeFull."""
        for first, last in ((self._dynamic, self.last), (self.first, self._dynamic - 1)):
            size = last - first + 1
            if size <= 0:
                continue
            start = random.randrange(size)
            for step in range(size):
                number = first + (start + step) % size
                if number not in self._owners:
                    return number
        raise RangeFull
