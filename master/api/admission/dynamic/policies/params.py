"""The parameters of a binding: objects of the policy's paramKind, by name or by selector, from the watch cache.

Source: k8s.io/apiserver pkg/admission/plugin/policy/generic/policy_dispatcher.go (CollectParams)
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from master.api.admission.dynamic.equivalents import convert
from master.api.admission.dynamic.selectors import compile_selector
from master.api.kinds.kind import Kind
from master.client.protocol import Json
from master.store.cache import WatchCache


class NoParams(Exception):
    """The binding's parameters cannot be used; says why, in Kubernetes' words."""


class Params:
    """`kinds`: all that are served, now."""

    def __init__(self, cache: WatchCache, kinds: Iterable[Kind]) -> None:
        self._cache = cache
        self._kinds = kinds

    async def of(
        self, param_kind: Mapping[str, str] | None, reference: Mapping[str, Any] | None, namespace: str
    ) -> Sequence[Json | None]:
        """[None]: to be evaluated once, without. Empty: not to be evaluated. Raises NoParams."""
        if param_kind is None or reference is None:
            return [None]
        kind = self._kind(param_kind)
        where = self._namespace(kind, reference, namespace)
        prefix = f"/registry/{kind.storage.group or 'core'}/{kind.storage.plural}/"
        if name := reference.get("name"):
            cached = self._cache.get(f"{prefix}{where or '-'}/{name}")
            found = [] if cached is None else [cached]
        else:
            selects = compile_selector(reference.get("selector"))
            listed, _ = self._cache.list(f"{prefix}{where}/" if where else prefix)
            found = [cached for cached in listed if selects is None or selects(cached.labels)]
        if not found and reference.get("parameterNotFoundAction") == "Deny":
            raise NoParams("no params found for policy binding with `Deny` parameterNotFoundAction")
        return [await self._shown(kind, cached.decode()) for cached in found]

    def _kind(self, param_kind: Mapping[str, str]) -> Kind:
        api_version, name = param_kind.get("apiVersion") or "", param_kind.get("kind") or ""
        for kind in self._kinds:
            if kind.kind == name and kind.api_version == api_version:
                return kind
        raise NoParams(f"paramKind kind `{api_version}, Kind={name}` not known")

    def _namespace(self, kind: Kind, reference: Mapping[str, Any], namespace: str) -> str:
        wanted = reference.get("namespace") or ""
        if not kind.namespaced:
            if wanted:
                raise NoParams("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
            return ""
        if not (wanted or namespace):
            raise NoParams("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources")
        return wanted or namespace

    async def _shown(self, kind: Kind, obj: Json) -> Json:
        """A stored object in the version of the paramKind."""
        if kind.conversion is None:
            return kind.from_stored(obj)
        versions = (other for other in self._kinds if other.storage == kind.storage)
        own = next((other for other in versions if other.api_version == obj.get("apiVersion")), kind)
        return await convert(obj, own, kind)
