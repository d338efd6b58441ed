"""ComponentStatuses: the health checks as objects, for `kubectl get componentstatuses`. Read-only and made at each read."""

from collections.abc import Mapping

from master.api.http.health import HealthCheck
from master.api.registry.listing import Page
from master.api.registry.selection import Selection
from master.api.registry.storage import encode
from master.client.errors import not_found
from master.store.cached import CachedObject


class ComponentStatuses:
    """`checks` by the component's name; the API itself is one, for it answers."""

    def __init__(self, checks: Mapping[str, HealthCheck]) -> None:
        self._checks: dict[str, HealthCheck] = {"api": lambda: "", **checks}

    def get(self, name: str) -> bytes:
        """Raises StatusError 404."""
        check = self._checks.get(name)
        if check is None:
            raise not_found("componentstatuses", "", name)
        return _encoded(name, check())

    def page(self, selection: Selection, revision: int) -> Page:
        """All of them that are selected, as of no revision of their own."""
        objects = [
            CachedObject(key=name, revision=revision, raw=_encoded(name, check()), namespace="", name=name, labels={})
            for name, check in sorted(self._checks.items())
        ]
        return Page(selection.of(objects), revision)


def _encoded(name: str, wrong: str) -> bytes:
    condition = {"type": "Healthy", "status": "False" if wrong else "True", "message": wrong or "ok"}
    return encode(
        {
            "kind": "ComponentStatus",
            "apiVersion": "v1",
            "metadata": {"name": name, "creationTimestamp": None},
            "conditions": [condition],
        }
    )
