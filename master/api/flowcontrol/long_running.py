"""LongRunning: how many watches, logs and streams are open, of each user and in all. Called by `ApiServer`.

A user may open another one while more are free than he has: alone he gets half of all, two get a third each, and there is
always room for who comes next. Nobody's is ended for another. The group system:masters has no share, only the bound of all.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from master.api.auth.protocol import MASTERS, UserInfo
from master.api.flowcontrol.dispatcher import too_many_requests


class LongRunning:
    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open = 0
        self._of_user: Counter[str] = Counter()

    @contextmanager
    def place(self, user: UserInfo) -> Iterator[None]:
        """Count one as long as it is open. Raises StatusError 429."""
        free = self._limit - self._open
        if free <= 0 or (MASTERS not in user.groups and self._of_user[user.name] >= free):
            raise too_many_requests()
        self._open += 1
        self._of_user[user.name] += 1
        try:
            yield
        finally:
            self._open -= 1
            self._of_user[user.name] -= 1
            if not self._of_user[user.name]:
                del self._of_user[user.name]
