"""Makes the OpenAPI documents of the served kinds when they are asked for, and anew when custom resources change.

Kept compressed: the documents are a few megabytes of prose that is rarely read. What declared kinds bring is made once; a
change of custom resources makes only their own part, which is joined to the rest. Called in a thread, one call at a time.
"""

import hashlib
import zlib
from collections.abc import Iterable, Sequence

import orjson

from master.api.kinds.kind import Kind
from master.api.kinds.registry import Kinds
from master.api.openapi.custom_resources import custom_definitions
from master.api.openapi.operations import roots
from master.api.openapi.protobuf import encode_document, encode_more
from master.api.openapi.source import Source
from master.api.openapi.v2 import openapi_v2
from master.api.openapi.v3 import document_path, openapi_v3


class OpenApi:
    """The documents (`master.api.discovery.openapi.OpenApiDocuments`). `reviews`: what is served beside the kinds."""

    def __init__(self, kinds: Kinds, reviews: Iterable[Kind] = ()) -> None:
        self._kinds = kinds
        self._declared = (*(kind for kind in kinds if not kind.is_custom), *reviews)
        self._compressed: dict[str, bytes] = {}
        #: Of version 3: document path, the kinds that it was made of, its hash.
        self._made: dict[str, tuple[tuple[Kind, ...], str]] = {}
        self._v2_names: frozenset[str] = frozenset()

    @property
    def generation(self) -> int:
        """Changes when documents do."""
        return self._kinds.generation

    def v2_json(self) -> bytes:
        self._make_v2()
        paths, definitions = self._read("v2 paths"), self._read("v2 definitions")
        custom = self._custom_v2()
        if custom is not None:
            paths = _joined(paths, orjson.dumps(custom["paths"]))
            definitions = _joined(definitions, orjson.dumps(custom["definitions"]))
        return b"".join((self._read("v2 head")[:-1], b',"paths":', paths, b',"definitions":', definitions, b"}"))

    def v2_protobuf(self) -> bytes:
        self._make_v2()
        custom = self._custom_v2()
        # Parts of one message that come later are merged into those before.
        return self._read("v2 protobuf") + (encode_more(custom) if custom is not None else b"")

    def v3_tags(self) -> dict[str, str]:
        """The hash of each document by its path below /openapi/v3 ("api/v1", "apis/apps/v1")."""
        by_path: dict[str, list[Kind]] = {}
        for kind in (*self._declared, *self._custom()):
            by_path.setdefault(document_path(kind.group, kind.version), []).append(kind)
        source: Source | None = None
        for path, kinds in by_path.items():
            made = self._made.get(path)
            if made is not None and len(made[0]) == len(kinds) and all(a is b for a, b in zip(made[0], kinds, strict=True)):
                continue
            if source is None:
                everything = [kind for found in by_path.values() for kind in found]
                source = Source(roots(everything), custom_definitions(everything, v3=True))
            document = openapi_v3(kinds, kinds[0].group, kinds[0].version, source)
            self._keep(f"v3 {path}", document)
            self._made[path] = (tuple(kinds), tag_of(document))
        for gone in self._made.keys() - by_path.keys():
            del self._made[gone]
            del self._compressed[f"v3 {gone}"]
        return {path: self._made[path][1] for path in by_path}

    def v3(self, path: str) -> bytes:
        """The document of a path that `v3_tags` has."""
        return self._read(f"v3 {path}")

    def _custom(self) -> Sequence[Kind]:
        return [kind for kind in self._kinds if kind.is_custom]

    def _make_v2(self) -> None:
        if "v2 head" in self._compressed:
            return
        document = openapi_v2(self._declared, custom_definitions(self._declared, v3=False))
        self._v2_names = frozenset(document["definitions"])
        self._keep("v2 protobuf", encode_document(document))
        for name in ("paths", "definitions"):
            self._keep(f"v2 {name}", orjson.dumps(document.pop(name)))
        self._keep("v2 head", orjson.dumps(document))

    def _custom_v2(self) -> dict[str, dict[str, object]] | None:
        """Paths and definitions that custom resources add."""
        kinds = self._custom()
        if not kinds:
            return None
        document = openapi_v2(kinds, custom_definitions(kinds, v3=False))
        more = {name: schema for name, schema in document["definitions"].items() if name not in self._v2_names}
        return {"paths": document["paths"], "definitions": more}

    def _read(self, name: str) -> bytes:
        return zlib.decompress(self._compressed[name])

    def _keep(self, name: str, document: bytes) -> None:
        self._compressed[name] = zlib.compress(document)


def tag_of(raw: bytes) -> str:
    """A document's hash, for ETags and cacheable addresses."""
    return hashlib.sha256(raw).hexdigest().upper()[:32]


def _joined(first: bytes, second: bytes) -> bytes:
    """Two JSON objects as one."""
    if len(second) <= 2:
        return first
    return second if len(first) <= 2 else first[:-1] + b"," + second[1:]
