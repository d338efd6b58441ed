"""A store of objects for the tests of admission plugins: reads, and compare-and-set of a status."""

import asyncio
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from master.api.admission.protocol import AdmissionRequest, Operation
from master.api.registry.write_options import IN_PROCESS, WriteOptions
from master.client.errors import conflict
from master.client.protocol import ResourceRef
from tests.unit.master.api.admission.lookups import Lookups

Json = dict[str, Any]


class Stored(Lookups):
    """ObjectReader and ObjectWriter over objects by plural."""

    def __init__(self, **objects: Sequence[Json]) -> None:
        self._objects: dict[tuple[str, str, str], Json] = {}
        self.writes = 0
        for plural, listed in objects.items():
            for obj in listed:
                metadata = obj["metadata"]
                self._objects[plural, metadata.get("namespace", ""), metadata["name"]] = deepcopy(obj)

    async def read(self, group: str, plural: str, namespace: str, name: str) -> Json | None:
        return deepcopy(self._objects.get((plural, namespace, name)))

    async def read_all(self, group: str, plural: str, namespace: str = "") -> Sequence[Json]:
        found = [obj for (one, where, _), obj in self._objects.items() if one == plural and namespace in ("", where)]
        return deepcopy(found)

    async def update(
        self,
        resource: ResourceRef,
        namespace: str,
        name: str,
        body: Json,
        options: WriteOptions = IN_PROCESS,
        *,
        subresource: str = "",
    ) -> bytes:
        assert subresource == "status"
        # As a real store: whoever writes lets others run meanwhile.
        await asyncio.sleep(0)
        obj = self._objects[resource.plural, namespace, name]
        if body["metadata"].get("resourceVersion") != obj["metadata"].get("resourceVersion"):
            raise conflict(resource.plural, resource.group, name)
        self.writes += 1
        obj["status"] = deepcopy(body["status"])
        obj["metadata"]["resourceVersion"] = str(int(obj["metadata"].get("resourceVersion") or 0) + 1)
        return b""


def request(
    plural: str,
    *,
    group: str = "",
    operation: Operation = "CREATE",
    namespace: str = "a",
    name: str = "x",
    subresource: str = "",
    old: Json | None = None,
    dry_run: bool = False,
) -> AdmissionRequest:
    resource = ResourceRef(group, "v1", plural)
    return AdmissionRequest(operation, resource, "", namespace, name, subresource, old, dry_run=dry_run)
