"""RbacIndex: all roles and bindings, by subject; kept current by the watch cache, so that no request decodes anything.

The watch cache tells each change before any reader sees its revision: whoever was answered a write of a binding is judged by
it from then on. What a subject may is arranged (`Grants`) when it is first asked and kept until one of its bindings or any
role changes. Everything here is of the size of the stored objects.

A binding in a namespace counts there alone; one to a role that does not exist gives nothing, and the refusal says so.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from master.api.auth.protocol import Decision, UserInfo
from master.api.auth.rbac.grants import Grants
from master.api.auth.rbac.policy import (
    GROUP,
    PolicyRule,
    RoleRef,
    StoredBinding,
    StoredRole,
    Subject,
    describe,
    service_account_user,
)
from master.store.cache import CacheListener
from master.store.cached import CachedObject, CacheEvent

_log = logging.getLogger(__name__)

_roles = msgspec.json.Decoder(StoredRole)
_bindings = msgspec.json.Decoder(StoredBinding)


class RoleNotFound(LookupError):
    """A binding refers to a role that does not exist. The text is what a refusal says."""

    def __init__(self, ref: RoleRef) -> None:
        super().__init__(f'{ref.kind.lower()}.{GROUP} "{ref.name}" not found')
        self.ref = ref


@dataclass(frozen=True, slots=True)
class Binding:
    """A binding of one namespace, or of the cluster ("")."""

    namespace: str
    name: str
    role_ref: RoleRef
    subjects: tuple[Subject, ...]

    def describe(self, subject: Subject) -> str:
        """The binding as the reason of a decision names it."""
        kind, name = ("RoleBinding", f"{self.name}/{self.namespace}") if self.namespace else ("ClusterRoleBinding", self.name)
        return f'{kind} "{name}" of {self.role_ref.kind} "{self.role_ref.name}" to {describe(subject, self.namespace)}'


@dataclass(slots=True)
class _Held:
    """What one subject holds in one scope: its bindings by name, and what follows from them, made when asked."""

    bindings: dict[str, tuple[Binding, Subject]] = field(default_factory=dict)
    grants: Grants | None = None
    #: The generation of the roles that `grants` was made from.
    generation: int = -1


@dataclass(slots=True)
class _Scope:
    """The bindings of one namespace, or of the cluster."""

    bindings: dict[str, Binding] = field(default_factory=dict)
    users: dict[str, _Held] = field(default_factory=dict)
    groups: dict[str, _Held] = field(default_factory=dict)


class Changes(Protocol):
    """Who tells the index of changes: the watch cache."""

    def listen(self, prefix: str, listener: CacheListener) -> None:
        """Tell the listener what there is under a prefix, and every change from now on."""
        ...


class RbacIndex:
    """`follow` once; the rest at any time from the same event loop."""

    def __init__(self) -> None:
        self._cluster_roles: dict[str, tuple[PolicyRule, ...]] = {}
        self._roles: dict[tuple[str, str], tuple[PolicyRule, ...]] = {}
        self._scopes: dict[str, _Scope] = {"": _Scope()}
        self._generation = 0
        #: How often grants were arranged anew: what tests and curious people look at.
        self.arranged = 0

    def follow(self, cache: Changes) -> None:
        """Take in what there is, and every change from now on."""
        cache.listen(f"/registry/{GROUP}/clusterroles/", _Roles(self))
        cache.listen(f"/registry/{GROUP}/roles/", _Roles(self, namespaced=True))
        cache.listen(f"/registry/{GROUP}/clusterrolebindings/", _Bindings(self))
        cache.listen(f"/registry/{GROUP}/rolebindings/", _Bindings(self, namespaced=True))

    # Questions

    def held(self, user: UserInfo, namespace: str) -> Iterator[Grants]:
        """What a user and each of its groups hold in a scope; nothing for who holds nothing."""
        scope = self._scopes.get(namespace)
        if scope is None:
            return
        held = scope.users.get(user.name)
        if held is not None:
            yield self._grants(held)
        groups = scope.groups
        for group in user.groups:
            held = groups.get(group)
            if held is not None:
                yield self._grants(held)

    def rules_for(self, user: UserInfo, namespace: str) -> tuple[list[PolicyRule], list[str]]:
        """All rules of a user in a namespace ("": those of the cluster alone), and what is wrong with some bindings."""
        rules: list[PolicyRule] = []
        errors: list[str] = []
        for name in ("", namespace) if namespace else ("",):
            for binding in self._bindings_of(user, name):
                try:
                    rules += self.role_rules(binding.role_ref, binding.namespace)
                except RoleNotFound as error:
                    errors.append(str(error))
        return rules, errors

    def role_rules(self, ref: RoleRef, namespace: str) -> tuple[PolicyRule, ...]:
        """The rules of the role that a binding in this namespace refers to. Raises RoleNotFound."""
        rules = self._cluster_roles.get(ref.name) if ref.kind == "ClusterRole" else self._roles.get((namespace, ref.name))
        if rules is None:
            raise RoleNotFound(ref)
        return rules

    def _bindings_of(self, user: UserInfo, namespace: str) -> list[Binding]:
        scope = self._scopes.get(namespace)
        if scope is None:
            return []
        found: dict[str, Binding] = {}
        for held in (scope.users.get(user.name), *(scope.groups.get(group) for group in user.groups)):
            if held is not None:
                found.update((name, binding) for name, (binding, _) in held.bindings.items())
        return [found[name] for name in sorted(found)]

    def _grants(self, held: _Held) -> Grants:
        if held.grants is None or held.generation != self._generation:
            held.grants = self._arranged(held)
            held.generation = self._generation
        return held.grants

    def _arranged(self, held: _Held) -> Grants:
        self.arranged += 1
        given: list[tuple[PolicyRule, Decision]] = []
        errors: list[str] = []
        seen: set[RoleRef] = set()
        for name in sorted(held.bindings):
            binding, subject = held.bindings[name]
            if binding.role_ref in seen:  # a role gives no more for being given twice
                continue
            seen.add(binding.role_ref)
            try:
                rules = self.role_rules(binding.role_ref, binding.namespace)
            except RoleNotFound as error:
                errors.append(str(error))
                continue
            decision = Decision(True, f"RBAC: allowed by {binding.describe(subject)}")
            given += [(rule, decision) for rule in rules]
        return Grants(given, tuple(errors))

    # Changes, told by the watch cache

    def put_role(self, namespace: str, name: str, rules: tuple[PolicyRule, ...] | None) -> None:
        """A role as it is now; None when it is gone."""
        self._generation += 1
        if namespace:
            if rules is None:
                self._roles.pop((namespace, name), None)
            else:
                self._roles[(namespace, name)] = rules
        elif rules is None:
            self._cluster_roles.pop(name, None)
        else:
            self._cluster_roles[name] = rules

    def forget_roles(self, *, namespaced: bool) -> None:
        self._generation += 1
        if namespaced:
            self._roles.clear()
        else:
            self._cluster_roles.clear()

    def put_binding(self, namespace: str, name: str, stored: StoredBinding | None) -> None:
        """A binding as it is now; None when it is gone."""
        scope = self._scopes.get(namespace)
        if scope is None:
            scope = self._scopes[namespace] = _Scope()
        old = scope.bindings.pop(name, None)
        if old is not None:
            for holders, key in _holders(scope, old):
                held = holders.get(key)
                if held is not None and held.bindings.pop(name, None) is not None:
                    held.grants = None
                    if not held.bindings:
                        del holders[key]
        if stored is not None:
            binding = Binding(namespace, name, stored.role_ref, stored.subjects or ())
            scope.bindings[name] = binding
            for subject, (holders, key) in zip(binding.subjects, _holders(scope, binding), strict=True):
                held = holders.setdefault(key, _Held())
                held.bindings.setdefault(name, (binding, subject))
                held.grants = None
        if namespace and not scope.bindings:
            del self._scopes[namespace]

    def forget_bindings(self, *, namespaced: bool) -> None:
        if namespaced:
            self._scopes = {"": self._scopes[""]}
        else:
            self._scopes[""] = _Scope()


def _holders(scope: _Scope, binding: Binding) -> list[tuple[dict[str, _Held], str]]:
    """Where each subject of a binding is kept. A kind that does not exist is nobody: it is kept among the users as ""."""
    found: list[tuple[dict[str, _Held], str]] = []
    for subject in binding.subjects:
        match subject.kind:
            case "User":
                found.append((scope.users, subject.name))
            case "Group":
                found.append((scope.groups, subject.name))
            case "ServiceAccount" if subject.namespace or binding.namespace:
                found.append((scope.users, service_account_user(subject.namespace or binding.namespace, subject.name)))
            case _:
                found.append((scope.users, ""))
    return found


class _Roles:
    """Takes roles out of the watch cache (a `CacheListener`)."""

    def __init__(self, index: RbacIndex, *, namespaced: bool = False) -> None:
        self._index = index
        self._namespaced = namespaced

    def reset(self, objects: Sequence[CachedObject]) -> None:
        self._index.forget_roles(namespaced=self._namespaced)
        for cached in objects:
            self._put(cached)

    def apply(self, event: CacheEvent) -> None:
        if event.type == "DELETED":
            self._index.put_role(event.object.namespace, event.object.name, None)
        else:
            self._put(event.object)

    def _put(self, cached: CachedObject) -> None:
        try:
            rules = _roles.decode(cached.raw).rules or ()
        except msgspec.DecodeError as error:
            # Validation lets none in; one that is there all the same gives nothing.
            _log.error("a stored role cannot be read and gives nothing", extra={"key": cached.key, "error": str(error)})
            rules = ()
        self._index.put_role(cached.namespace, cached.name, rules)


class _Bindings:
    """Takes bindings out of the watch cache (a `CacheListener`)."""

    def __init__(self, index: RbacIndex, *, namespaced: bool = False) -> None:
        self._index = index
        self._namespaced = namespaced

    def reset(self, objects: Sequence[CachedObject]) -> None:
        self._index.forget_bindings(namespaced=self._namespaced)
        for cached in objects:
            self._put(cached)

    def apply(self, event: CacheEvent) -> None:
        if event.type == "DELETED":
            self._index.put_binding(event.object.namespace, event.object.name, None)
        else:
            self._put(event.object)

    def _put(self, cached: CachedObject) -> None:
        stored: StoredBinding | None
        try:
            stored = _bindings.decode(cached.raw)
        except msgspec.DecodeError as error:
            _log.error("a stored binding cannot be read and gives nothing", extra={"key": cached.key, "error": str(error)})
            stored = None
        self._index.put_binding(cached.namespace, cached.name, stored)
