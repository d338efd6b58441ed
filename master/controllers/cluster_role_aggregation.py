"""The aggregation controller: a ClusterRole with an aggregationRule has the rules of the roles that its selectors find.

Level-triggered: each change of any role looks at every role that gathers. Rules are taken in the order of the roles' names,
each once. Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles
"""

from collections.abc import Iterable

import msgspec
from lightkube.models.rbac_v1 import PolicyRule
from lightkube.resources.rbac_authorization_v1 import ClusterRole

from master.client.errors import StatusError
from master.client.selectors import of_model
from master.controllers.context import ControllerContext
from master.controllers.objects.metadata import labels_of, name_of, terminating
from master.informer import WorkQueue, run_workers


class ClusterRoleAggregation:
    """Reconciles ClusterRoles by name."""

    name = "clusterrole-aggregation-controller"

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._workers = context.settings.workers
        self._roles = context.informers.of(ClusterRole)
        self._queue: WorkQueue[str] = WorkQueue(self.name)
        self._roles.add_handler(self._on_role)

    async def run(self) -> None:
        await self._roles.synced()
        await run_workers(self._queue, self._reconcile, workers=self._workers, name=self.name)

    def _on_role(self, old: ClusterRole | None, new: ClusterRole | None) -> None:
        for role in self._roles.list():
            if role.aggregationRule is not None:
                self._queue.add(name_of(role))

    async def _reconcile(self, key: str) -> None:
        role = self._roles.get("", key)
        if role is None or role.aggregationRule is None or terminating(role):
            return
        wanted = gathered(role, self._roles.list())
        if wanted == (role.rules or []):
            return
        try:
            await self._client.replace(msgspec.structs.replace(role, rules=wanted))
        except StatusError as error:
            # Changed or gone meanwhile: the informer tells, and it is looked at again.
            if error.code not in (404, 409):
                raise


def gathered(role: ClusterRole, roles: Iterable[ClusterRole]) -> list[PolicyRule]:
    """The rules that a role gathers from others, each once. A selector that selects nothing in particular selects all."""
    assert role.aggregationRule is not None, "asked only for roles that gather"
    others = sorted((other for other in roles if name_of(other) != name_of(role)), key=name_of)
    rules: list[PolicyRule] = []
    for selector in role.aggregationRule.clusterRoleSelectors or ():
        labels = of_model(selector)
        for other in others:
            if labels.matches(labels_of(other)):
                rules += [rule for rule in other.rules or () if rule not in rules]
    return rules
