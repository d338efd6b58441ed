"""What the fuzz test sends: requests made of schemas, of what is almost right, and of rubbish. Hypothesis draws them.

A generated object follows its kind's schema (a seed decides how); then something in it is replaced by a value that hypothesis
draws. That reaches deep into defaults, validation, patches and allocation, which random JSON alone never does.
"""

import copy
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from master.api.kinds.kind import Kind
from master.api.schema.definitions import Schema
from master.api.schema.schemas import Schemas
from tests.integration.api_objects import example

NAMESPACE = "default"
#: The object of each kind that requests go to, when the kind does not ask for another name.
NAME = "fuzzed"
_JSON = "application/json"
_PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
_STRINGS = (
    "",
    "a",
    "Always",
    "None",
    "TCP",
    "a/b",
    "..",
    "-",
    "x" * 300,
    "10.0.0.1",
    "Exists",
    "In",
    "ä",
    "50%",
    "0 * * * *",
    NAME,
)
_NUMBERS = (0, 1, -1, 80, 65536, 2**31 - 1)
_SCALARS = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": ("0", "1", "-1", "1Gi", "500m"),
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": (0, 80, -1, "http", "50%", "%", ""),
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": ("2026-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": ("2026-01-01T00:00:00.000000Z",),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One request. `target`: the path of the object that a refused request must leave as it was, or ""."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    target: str = ""


_WRITE_QUERIES = ("", "?dryRun=All", "?fieldValidation=Strict", "?fieldValidation=Ignore", "?fieldManager=f")

# Values


_keys = st.sampled_from(_STRINGS) | st.text(max_size=6)
junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(_STRINGS)
    | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=3),
    max_leaves=6,
)


def by_schema(schemas: Schemas, schema: Schema, rng: random.Random, depth: int = 0) -> Any:
    """Some value that the schema allows; the deeper, the emptier."""
    if schema.definition in _SCALARS:
        return rng.choice(_SCALARS[schema.definition])
    schema = schemas.resolved(schema)
    match schema.json_type:
        case "string":
            return "aGk=" if schema.format == "byte" else rng.choice(_STRINGS)
        case "boolean":
            return rng.choice((True, False))
        case "integer" | "number":
            return rng.choice(_NUMBERS)
        case "array" if schema.items is not None:
            return [by_schema(schemas, schema.items, rng, depth + 1) for _ in range(rng.choice((0, 1, 1, 2)))]
        case "object" if schema.additional is not None:
            return {rng.choice(_STRINGS): by_schema(schemas, schema.additional, rng, depth + 1)}
    # Schemas of custom resources contain schemas: somewhere they end.
    share = (1.0, 0.9, 0.5, 0.4, 0.3)[depth] if depth < 5 else 0.15 if depth < 9 else 0.0
    return {name: by_schema(schemas, part, rng, depth + 1) for name, part in schema.properties.items() if rng.random() < share}


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value inside of a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*above, key)
        yield from places(item, (*above, key))


def replaced(obj: Any, value: Any, rng: random.Random) -> Any:
    """The object with one of its places changed to a value; a place near the top is as likely as all below it."""
    ways = list(places(obj))
    if not ways:
        return value
    depth = rng.choice(sorted({len(way) for way in ways}))
    way = rng.choice([way for way in ways if len(way) == depth])
    parent = obj
    for step in way[:-1]:
        parent = parent[step]
    parent[way[-1]] = value
    return obj


# Requests


class Requests:
    """Strategies for requests to an API of these kinds."""

    def __init__(self, kinds: list[Kind], schemas: Schemas) -> None:
        self._schemas = schemas
        self._kinds = st.sampled_from([kind for kind in kinds if {"create", "update"} <= set(kind.verbs)])
        self._all = kinds

    def any(self) -> st.SearchStrategy[Case]:
        return st.one_of(
            self.writes(),
            self.writes(),
            self.patches(),
            self.patches(),
            self.deletes(),
            self.raw_bodies(),
            self.queries(),
            self.paths(),
        )

    @st.composite
    @staticmethod
    def _write(draw: st.DrawFn, self: "Requests") -> Case:
        kind = draw(self._kinds)
        rng = random.Random(draw(st.integers(0, 2**32)))
        obj = self._object(kind, rng)
        if draw(st.integers(0, 2)):
            obj = replaced(obj, draw(junk), rng)
        method = draw(st.sampled_from(("POST", "POST", "PUT")))
        below = draw(st.sampled_from(("", "", *(f"/{name}" for name in sorted(kind.subresources))))) if method == "PUT" else ""
        query = draw(
            st.sampled_from(("", "?dryRun=All", "?fieldValidation=Strict", "?fieldValidation=Ignore", "?fieldManager=f"))
        )
        path = collection(kind) if method == "POST" else f"{path_of(kind)}{below}"
        return Case(method, path + query, {"Content-Type": _JSON}, json.dumps(obj).encode(), path_of(kind))

    def writes(self) -> st.SearchStrategy[Case]:
        """Creates and updates with objects that are almost right."""
        return self._write(self)

    @st.composite
    @staticmethod
    def _patch(draw: st.DrawFn, self: "Requests") -> Case:
        kind = draw(self._kinds)
        rng = random.Random(draw(st.integers(0, 2**32)))
        media_type = draw(st.sampled_from(_PATCHES))
        obj = self._object(kind, rng)
        body: Any
        if media_type.startswith("application/json-patch"):
            ways = list(places(obj))
            body = [
                {
                    "op": draw(st.sampled_from(("add", "remove", "replace", "move", "copy", "test", "x"))),
                    "path": "/" + "/".join(str(step) for step in rng.choice(ways)),
                    "from": "/" + "/".join(str(step) for step in rng.choice(ways)),
                    "value": draw(junk),
                }
                for _ in range(draw(st.integers(1, 3)))
            ]
            if draw(st.integers(0, 5)) == 0:
                body = replaced(body, draw(junk), rng)
        else:
            body = replaced(obj, draw(junk | _directives), rng) if draw(st.integers(0, 3)) else obj
        below = draw(st.sampled_from(("", "", "", *(f"/{name}" for name in sorted(kind.subresources)))))
        query = draw(
            st.sampled_from(("", "?dryRun=All", "?fieldManager=f", "?fieldManager=f&force=true", "?fieldValidation=Strict"))
        )
        path = path_of(kind)
        return Case("PATCH", path + below + query, {"Content-Type": media_type}, json.dumps(body).encode(), path)

    def patches(self) -> st.SearchStrategy[Case]:
        """Patches of each type that are almost right."""
        return self._patch(self)

    def raw_bodies(self) -> st.SearchStrategy[Case]:
        """Bytes of any kind as a body of any type."""
        types = (_JSON, "application/yaml", "application/vnd.kubernetes.protobuf", "text/plain", "", *_PATCHES)
        bodies = (
            st.binary(max_size=60) | st.text(max_size=60).map(str.encode) | junk.map(lambda value: json.dumps(value).encode())
        )
        bodies |= bodies.map(lambda raw: b"k8s\0" + raw)
        return st.builds(
            lambda kind, method, media_type, body: Case(
                method,
                collection(kind) if method == "POST" else path_of(kind),
                {"Content-Type": media_type},
                body,
                path_of(kind),
            ),
            self._kinds, st.sampled_from(("POST", "PUT", "PATCH", "DELETE")), st.sampled_from(types), bodies,
        )  # fmt: skip

    def queries(self) -> st.SearchStrategy[Case]:
        """Reads with parameters of any value."""
        names = (
            "labelSelector", "fieldSelector", "limit", "continue", "resourceVersion", "resourceVersionMatch", "pretty",
            "watch", "sendInitialEvents", "allowWatchBookmarks", "dryRun", "fieldManager", "fieldValidation", "includeObject",
            "gracePeriodSeconds", "propagationPolicy", "orphanDependents", "tailLines", "sinceTime", "container", "x",
        )  # fmt: skip
        values = st.sampled_from(
            (
                "",
                "0",
                "1",
                "-1",
                "true",
                "a=b",
                "a in (b",
                "metadata.name=x",
                "spec.nodeName!=a",
                "Exact",
                "NotOlderThan",
                "9" * 30,
            )
        ) | st.text(max_size=20)
        accepts = st.sampled_from((
            _JSON, "", "application/yaml", "application/json;as=Table;v=v1;g=meta.k8s.io", "application/x",
            "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", "*/*;q=x", "application/vnd.kubernetes.protobuf",
        ))  # fmt: skip
        kinds = st.sampled_from(self._all)
        return st.builds(
            lambda kind, method, one, parameters, accept: Case(
                method,
                (path_of(kind) if one else collection(kind))
                + "?timeoutSeconds=1&"
                + "&".join(f"{name}={quote(value)}" for name, value in parameters),
                {"Accept": accept} if accept else {},
            ),
            kinds,
            st.sampled_from(("GET", "GET", "HEAD", "OPTIONS")),
            st.booleans(),
            st.lists(st.tuples(st.sampled_from(names), values), max_size=4),
            accepts,
        )

    def paths(self) -> st.SearchStrategy[Case]:
        """Any method on paths of known and unknown words."""
        words = ["api", "apis", "v1", "apps", "namespaces", NAMESPACE, "pods", "..", ".", "%2e%2e", "%00", "%ff", "*", "watch"]
        words += ["status", "scale", "log", "exec", "proxy", "openapi", "v2", "v3", "healthz", "version", "metrics", "x" * 300]
        words += sorted({kind.plural for kind in self._all} | {kind.group for kind in self._all if kind.group})
        segments = st.sampled_from(words) | st.text(max_size=5).map(lambda text: quote(text, safe=""))
        return st.builds(
            lambda method, parts: Case(method, "/" + "/".join(parts)),
            st.sampled_from(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "QUERY")),
            st.lists(segments, max_size=8).filter(_harmless),
        )

    @st.composite
    @staticmethod
    def _delete(draw: st.DrawFn, self: "Requests") -> Case:
        options = draw(st.sampled_from(("", '{"gracePeriodSeconds":0}', '{"propagationPolicy":"Orphan"}')))
        path = path_of(draw(self._kinds))
        return Case("DELETE", path, {"Content-Type": _JSON}, options.encode(), path)

    def deletes(self) -> st.SearchStrategy[Case]:
        """Deletions that are right: what is there makes room."""
        return self._delete(self)

    def _object(self, kind: Kind, rng: random.Random) -> Any:
        """A valid object with some generated fields, or a generated one."""
        valid = example(kind)
        obj = by_schema(self._schemas, self._schemas.definition(kind.definition), rng)
        if valid is not None and rng.random() < 0.8:
            generated, obj = obj, copy.deepcopy(valid)
            if rng.random() < 0.3:
                obj |= {name: value for name, value in generated.items() if rng.random() < 0.2}
        obj["apiVersion"], obj["kind"] = kind.api_version, kind.kind
        metadata: dict[str, Any] = {"name": name_of(kind)} if rng.random() < 0.8 else {"generateName": "x-"}
        if rng.random() < 0.1:
            metadata |= {"labels": {"a": rng.choice(_STRINGS)}, "finalizers": ["example.com/a"]}
        obj["metadata"] = metadata
        return obj


_directives = st.sampled_from(
    (
        {"$patch": "delete"},
        {"$patch": "replace"},
        {"$patch": "x"},
        [{"$patch": "replace"}],
        {"$retainKeys": ["a"]},
        {"$setElementOrder/ports": [1]},
        {"$deleteFromPrimitiveList/x": "y"},
    )
)


def _harmless(parts: list[str]) -> bool:
    """A watch without a time limit would hold its test up."""
    return "watch" not in parts


def name_of(kind: Kind) -> str:
    """The name of the object that requests of this kind go to."""
    name: str = ((example(kind) or {}).get("metadata") or {}).get("name", NAME)
    return name


def path_of(kind: Kind) -> str:
    return f"{collection(kind)}/{name_of(kind)}"


def collection(kind: Kind) -> str:
    """The path of a kind's objects in the test's namespace."""
    prefix = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    return f"{prefix}/namespaces/{NAMESPACE}/{kind.plural}" if kind.namespaced else f"{prefix}/{kind.plural}"
