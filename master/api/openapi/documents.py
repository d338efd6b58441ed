"""Makes the OpenAPI documents of the served kinds, each once, when it is first asked for.

Kept compressed: the documents are a few megabytes of prose that is rarely read.
"""

import zlib
from collections.abc import Callable, Iterable

import orjson

from master.api.kinds.kind import Kind
from master.api.openapi.operations import roots
from master.api.openapi.protobuf import encode_document
from master.api.openapi.source import Source
from master.api.openapi.v2 import openapi_v2
from master.api.openapi.v3 import document_path, openapi_v3


class OpenApi:
    """The documents of these kinds (`master.api.discovery.openapi.OpenApiDocuments`)."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self._kinds = tuple(kinds)
        self._compressed: dict[str, bytes] = {}

    def v2_json(self) -> bytes:
        return self._kept("v2 json", lambda: orjson.dumps(openapi_v2(self._kinds)))

    def v2_protobuf(self) -> bytes:
        return self._kept("v2 protobuf", lambda: encode_document(openapi_v2(self._kinds)))

    def v3_paths(self) -> dict[str, bytes]:
        """Documents by path below /openapi/v3 ("api/v1", "apis/apps/v1")."""
        groups = dict.fromkeys((kind.group, kind.version) for kind in self._kinds)
        paths = {document_path(group, version): (group, version) for group, version in groups}
        if any(f"v3 {path}" not in self._compressed for path in paths):
            source = Source(roots(self._kinds))
            for path, (group, version) in paths.items():
                self._keep(f"v3 {path}", openapi_v3(self._kinds, group, version, source))
        return {path: zlib.decompress(self._compressed[f"v3 {path}"]) for path in paths}

    def _kept(self, name: str, make: Callable[[], bytes]) -> bytes:
        if name not in self._compressed:
            self._keep(name, make())
        return zlib.decompress(self._compressed[name])

    def _keep(self, name: str, document: bytes) -> None:
        self._compressed[name] = zlib.compress(document)
