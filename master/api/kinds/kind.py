"""What a kind of the API is: a declaration of its names, scope, defaults, validation, lifecycle and printed columns.

The registry (generic verbs over the store) is driven by these declarations and knows no kind by name. A kind declares
behaviour as pure functions over plain JSON, called in this order:

- create: `prepare_for_create` (drop what a client may not set), `default`, `derive` (after mutating admission: what follows
  from the rest), `validate(obj, None)`
- update: `prepare_for_update` (carry over what a client may not change), `default`, `validate(obj, old)`
- update of status: `prepare_for_status_update` (carry over all but status), `default`, `validate_status(obj, old)`

The functions that take one object change it in place; `old` is never changed. Generic metadata (uid, creationTimestamp,
deletion, resourceVersion, managedFields) belongs to the registry; `metadata.generation` belongs to the kind.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from master.api.printers.column import AGE, NAME, Column
from master.api.printers.duration import age
from master.client.errors import Cause
from master.client.protocol import ResourceRef
from master.store.cached import CachedObject

Json = dict[str, Any]

#: Verbs of discovery, in the order that Kubernetes lists them.
ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


def no_change(obj: Json) -> None:
    """The hook of a kind that has nothing to do here."""


def no_carry_over(obj: Json, old: Json) -> None:
    """The hook of a kind that has nothing to carry over."""


def no_validation(obj: Json, old: Json | None) -> list[Cause]:
    """The hook of a kind without rules of its own."""
    return []


def no_warnings(obj: Json, old: Json | None) -> Sequence[str]:
    """The hook of a kind that warns of nothing."""
    return ()


def same_object(obj: Json) -> Json:
    """The conversion of a kind that is stored as it is shown."""
    return obj


def name_and_age(obj: Json, now: datetime) -> list[Any]:
    """The cells of a kind without columns of its own."""
    return [obj["metadata"]["name"], age(obj, now)]


class Conversion(Protocol):
    """How objects of a kind with several versions are shown in one of them and stored in another. Raises StatusError."""

    @property
    def is_storage(self) -> bool:
        """Whether objects are stored in the kind's version."""
        ...

    async def shown(self, objects: Sequence[CachedObject]) -> Sequence[CachedObject]:
        """The objects in the kind's version, in the same order; the argument itself when all are in it already."""
        ...

    async def in_version(self, obj: Json) -> Json:
        """An object of another version of the same definition in the kind's own. Not stored, so not remembered either."""
        ...

    async def stored(self, obj: Json) -> Json:
        """An object of the kind's version as it is to be stored. Does not change its argument."""
        ...


@dataclass(frozen=True, slots=True)
class ScalePaths:
    """Where the scale subresource reads and writes; steps from the object. `selector`: a string with a label selector."""

    spec_replicas: tuple[str, ...]
    status_replicas: tuple[str, ...]
    selector: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind in one version of one group.

    `definition`: its schema's name ("io.k8s.api.core.v1.Pod"). `subresources`: names below an object ("status", "scale").
    `field_selectors`: what a field selector may ask for beyond metadata.name and metadata.namespace, and how to read it.
    `validate` and `validate_status` return every field's error; metadata is theirs to check too.
    `warnings`: what a client is told of a valid object (a deprecated field); `old` is None on create.
    `orphans_by_default`: a deletion that names no propagation policy leaves the dependents alone.
    `stored_as`: the resource that this one is only another view of (events.k8s.io's Event of core's); `to_stored` and
    `from_stored` convert between the views and never change their argument.

    `made`: never stored: a source makes its objects at each read (`Registry.serve_from`), and `schema` describes them.

    `unconditional_update`: an update may come without a resourceVersion.

    Of custom resources: `is_custom`; their structural `schema`; `conversion` between their versions; `scale` instead of
    spec.replicas and status.replicas; `list_name`, when the list's kind is not the kind with "List"; `deprecation`: what each
    request is warned of. `in_thread`: validation may take long and runs in a thread; its functions must be safe there.
    """

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    definition: str
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    namespaced: bool = True
    subresources: frozenset[str] = frozenset()
    verbs: tuple[str, ...] = ALL_VERBS
    default: Callable[[Json], None] = no_change
    validate: Callable[[Json, Json | None], list[Cause]] = no_validation
    validate_status: Callable[[Json, Json | None], list[Cause]] = no_validation
    warnings: Callable[[Json, Json | None], Sequence[str]] = no_warnings
    derive: Callable[[Json], None] = no_change
    prepare_for_create: Callable[[Json], None] = no_change
    prepare_for_update: Callable[[Json, Json], None] = no_carry_over
    prepare_for_status_update: Callable[[Json, Json], None] = no_carry_over
    columns: tuple[Column, ...] = (NAME, AGE)
    row: Callable[[Json, datetime], Sequence[Any]] = name_and_age
    field_selectors: Mapping[str, Callable[[Json], str]] = field(default_factory=dict)
    orphans_by_default: bool = False
    stored_as: ResourceRef | None = None
    to_stored: Callable[[Json], Json] = same_object
    from_stored: Callable[[Json], Json] = same_object
    made: bool = False
    unconditional_update: bool = True
    is_custom: bool = False
    schema: Mapping[str, Any] | None = None
    conversion: Conversion | None = None
    scale: ScalePaths | None = None
    list_name: str = ""
    deprecation: str = ""
    in_thread: bool = False

    @property
    def api_version(self) -> str:
        """The `apiVersion` of its objects: "v1", "apps/v1"."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def list_kind(self) -> str:
        return self.list_name or f"{self.kind}List"

    @property
    def resource(self) -> ResourceRef:
        return ResourceRef(self.group, self.version, self.plural)

    @property
    def storage(self) -> ResourceRef:
        """The resource whose keys in the store hold its objects."""
        return self.stored_as or self.resource
