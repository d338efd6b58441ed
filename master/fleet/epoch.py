"""Which leader this is: a number in the store that grows with each leader, so that nodes can tell old orders.

It is at least the time of day, in seconds: a store that was restored from a backup knows nothing of the leaders since, whom
the nodes have followed; its leader must be above them all the same. A clock that was set back costs nothing as long as the
store is not also an older one.

With one master every start is a new leader. Election among several takes the epoch in the same way, when it has won.
"""

import time

from master.store.protocol import Conflict, Corrupt, Store

EPOCH_KEY = "/wherry/leader/epoch"


async def next_epoch(store: Store) -> int:
    """Take the next epoch: no two calls on one store ever get the same. Raises Corrupt, Unavailable."""
    while True:
        current = await store.get(EPOCH_KEY)
        try:
            epoch = max(int(current.value) + 1 if current is not None else 1, int(time.time()))
        except ValueError as error:
            raise Corrupt(f"{EPOCH_KEY} does not hold a number") from error
        try:
            await store.put(EPOCH_KEY, str(epoch).encode(), expected=current.mod_revision if current is not None else 0)
        except Conflict:
            continue
        return epoch
