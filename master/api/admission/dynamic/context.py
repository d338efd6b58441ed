"""Context: what dynamic admission looks up beside the operation itself: namespaces, and what a user may."""

import asyncio
import concurrent.futures

from master.api.admission.dynamic.selectors import Labels
from master.api.auth.authorization import Authorization
from master.api.auth.protocol import Attributes as AuthorizationAttributes
from master.api.auth.protocol import Decision
from master.client.protocol import Json
from master.store.cache import WatchCache

_NAMESPACES = "/registry/core/namespaces/-/"
#: The loop answers at once; when it does not, it is ending.
_ANSWER_SECONDS = 5.0


class Context:
    """One per master. `labels` and `namespace` on the event loop, `authorize` anywhere."""

    def __init__(self, cache: WatchCache, authorization: Authorization) -> None:
        self._cache = cache
        self._authorization = authorization
        #: Set by whoever starts an evaluation.
        self._loop: asyncio.AbstractEventLoop | None = None

    def labels(self, name: str) -> Labels | None:
        cached = self._cache.get(_NAMESPACES + name)
        return None if cached is None else cached.labels

    def namespace(self, name: str) -> Json | None:
        cached = self._cache.get(_NAMESPACES + name)
        return None if cached is None else cached.decode()

    def on_loop(self) -> None:
        """Called on the event loop before an evaluation begins in a thread."""
        self._loop = asyncio.get_running_loop()

    def authorize(self, attributes: AuthorizationAttributes) -> Decision:
        """Ask the authorisers, from a thread of an evaluation. They belong to the event loop."""
        assert self._loop is not None
        answer: concurrent.futures.Future[Decision] = concurrent.futures.Future()
        self._loop.call_soon_threadsafe(self._answer, attributes, answer)
        return answer.result(_ANSWER_SECONDS)

    def _answer(self, attributes: AuthorizationAttributes, answer: "concurrent.futures.Future[Decision]") -> None:
        try:
            answer.set_result(self._authorization.authorize(attributes))
        except Exception as error:  # noqa: BLE001 - handed to the evaluation that asked
            answer.set_exception(error)
