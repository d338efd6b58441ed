"""The APIService controller: each group of custom resources has an APIService, as the built-in groups have from the start.

One that somebody deletes comes back while its group is served; one whose group is served no more goes. Those that users made
themselves are theirs. Source: kube-aggregator's autoregister and crdregistration controllers.
"""

from lightkube.core.resource import Resource, api_info
from lightkube.models.apiregistration_v1 import APIServiceSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apiregistration_v1 import APIService

from master.client.errors import StatusError
from master.controllers.context import ControllerContext
from master.controllers.objects.metadata import labels_of, name_of
from master.informer import WorkQueue, run_workers

_LABEL = "kube-aggregator.kubernetes.io/automanaged"
_ON_START, _AUTOMATIC = "onstart", "true"
#: The priorities of every group of custom resources.
_GROUP_PRIORITY, _VERSION_PRIORITY = 1000, 100
#: The group of APIServices itself has none.
_OWN_GROUP = "apiregistration.k8s.io"


class APIServiceController:
    """Reconciles APIServices by name ("v1.example.com")."""

    name = "apiservice"

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._served = context.kinds
        self._versions: dict[str, tuple[str, str]] = {}
        self._built_in: dict[str, APIService] = {}
        self._queue: WorkQueue[str] = WorkQueue(self.name)
        self._services = context.informers.of(APIService)
        self._services.add_handler(self._on_service)
        self._follow_kinds()
        self._served.on_change(self._follow_kinds)

    async def run(self) -> None:
        await self._services.synced()
        await run_workers(self._queue, self._reconcile, workers=1, name=self.name)

    def _follow_kinds(self) -> None:
        before = self._versions
        resources = {(api_info(kind).resource.group, version) for kind, version in self._types()}
        self._versions = {f"{version}.{group}": (group, version) for group, version in resources if group != _OWN_GROUP}
        for name in before.keys() ^ self._versions.keys():
            self._queue.add(name)

    def _types(self) -> list[tuple[type[Resource], str]]:
        return [(kind, version.rpartition("/")[2]) for (version, _), kind in self._served.types().items()]

    def _on_service(self, old: APIService | None, new: APIService | None) -> None:
        service = new or old
        if service is None:
            return
        if labels_of(service).get(_LABEL) == _ON_START:
            self._built_in[name_of(service)] = service
        if (old is None) != (new is None):
            self._queue.add(name_of(service))

    async def _reconcile(self, name: str) -> None:
        current = self._services.get("", name)
        served, built_in = self._versions.get(name), self._built_in.get(name)
        if current is None and built_in is not None:
            await self._create(APIService(metadata=ObjectMeta(name=name, labels={_LABEL: _ON_START}), spec=built_in.spec))
        elif current is None and served is not None:
            spec = APIServiceSpec(
                group=served[0],
                version=served[1],
                groupPriorityMinimum=_GROUP_PRIORITY,
                versionPriority=_VERSION_PRIORITY,
            )
            await self._create(APIService(metadata=ObjectMeta(name=name, labels={_LABEL: _AUTOMATIC}), spec=spec))
        elif current is not None and served is None and labels_of(current).get(_LABEL) == _AUTOMATIC:
            try:
                await self._client.delete(APIService, name)
            except StatusError as error:
                if error.code != 404:
                    raise

    async def _create(self, service: APIService) -> None:
        try:
            await self._client.create(service)
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise
