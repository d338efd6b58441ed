"""The merge types of the packaged definitions. Called by `Schemas`.

Lists without a list type are merged as their patch strategy says, or are atomic; maps without a map type are granular. The
packaged file lacks two things that Kubernetes' own schemas have, which are listed here: defaults of fields that are keys of
lists, and which fields are Go structs, not pointers.

Source: k8s.io/kube-openapi pkg/schemaconv; k8s.io/api types.go.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from master.api.schema.definitions import Schema
from master.api.schema.merge_types import UNTYPED, ListType, MapType, MergeType, Scalar

_API = "io.k8s.api."
_SCALARS = frozenset(
    {
        "io.k8s.apimachinery.pkg.api.resource.Quantity",
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
        "io.k8s.apimachinery.pkg.apis.meta.v1.Time",
        "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime",
    }
)
#: Values that elements have whose key is not given.
_KEY_DEFAULTS: Mapping[str, Mapping[str, str]] = {
    _API + "core.v1.ContainerPort": {"protocol": "TCP"},
    _API + "core.v1.ServicePort": {"protocol": "TCP"},
}
#: Fields of these names are structs wherever they refer to a definition, but for those of `_POINTERS`.
_ALWAYS_EMBEDDED = frozenset({"metadata", "spec", "status"})
_POINTERS = frozenset({_API + "core.v1.ReplicationControllerSpec"})
#: Other fields that are structs, or lists that are written even when they are empty, by what they are fields of.
_EMBEDDED: Mapping[str, tuple[str, ...]] = {
    "admissionregistration.v1.MutatingWebhook": ("clientConfig",),
    "admissionregistration.v1.ValidatingWebhook": ("clientConfig",),
    "apps.v1.DaemonSetSpec": ("template", "updateStrategy"),
    "apps.v1.DeploymentSpec": ("strategy", "template"),
    "apps.v1.ReplicaSetSpec": ("template",),
    "apps.v1.StatefulSetSpec": ("template", "updateStrategy"),
    "autoscaling.v1.HorizontalPodAutoscalerSpec": ("scaleTargetRef",),
    "autoscaling.v2.HorizontalPodAutoscalerSpec": ("scaleTargetRef",),
    "autoscaling.v2.ContainerResourceMetricSource": ("target",),
    "autoscaling.v2.ContainerResourceMetricStatus": ("current",),
    "autoscaling.v2.ExternalMetricSource": ("metric", "target"),
    "autoscaling.v2.ExternalMetricStatus": ("current", "metric"),
    "autoscaling.v2.ObjectMetricSource": ("describedObject", "metric", "target"),
    "autoscaling.v2.ObjectMetricStatus": ("current", "describedObject", "metric"),
    "autoscaling.v2.PodsMetricSource": ("metric", "target"),
    "autoscaling.v2.PodsMetricStatus": ("current", "metric"),
    "autoscaling.v2.ResourceMetricSource": ("target",),
    "autoscaling.v2.ResourceMetricStatus": ("current",),
    "batch.v1.CronJobSpec": ("jobTemplate",),
    "batch.v1.JobSpec": ("template",),
    "core.v1.Binding": ("target",),
    "core.v1.Container": ("resources",),
    "core.v1.ContainerStatus": ("lastState", "state"),
    "core.v1.EphemeralContainer": ("resources",),
    "core.v1.Event": ("involvedObject", "source"),
    "core.v1.NodeDaemonEndpoints": ("kubeletEndpoint",),
    "core.v1.NodeStatus": ("daemonEndpoints", "nodeInfo"),
    "core.v1.PersistentVolumeClaimSpec": ("resources",),
    "core.v1.PodSpec": ("containers",),
    "core.v1.PodTemplate": ("template",),
    "core.v1.PreferredSchedulingTerm": ("preference",),
    "core.v1.ServiceStatus": ("loadBalancer",),
    "core.v1.WeightedPodAffinityTerm": ("podAffinityTerm",),
    "discovery.v1.Endpoint": ("conditions",),
    "events.v1.Event": ("deprecatedSource", "regarding"),
    "flowcontrol.v1.FlowSchemaSpec": ("priorityLevelConfiguration",),
    "flowcontrol.v1.LimitedPriorityLevelConfiguration": ("limitResponse",),
    "networking.v1.HTTPIngressPath": ("backend",),
    "networking.v1.IngressServiceBackend": ("port",),
    "networking.v1.IngressStatus": ("loadBalancer",),
    "networking.v1.NetworkPolicySpec": ("podSelector",),
    "rbac.v1.ClusterRoleBinding": ("roleRef",),
    "rbac.v1.RoleBinding": ("roleRef",),
    "storage.v1.CSINodeSpec": ("drivers",),
    "storage.v1.VolumeAttachmentSpec": ("source",),
}
_CRD = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition"
_EMBEDDED_OF_CRDS = {_CRD + "Spec": ("names",), _CRD + "Status": ("acceptedNames",)}

#: Finds a definition by its name.
Lookup = Callable[[str], Schema]


class BuiltinMergeTypes:
    """Compiled per definition when it is first asked for."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._types: dict[str, MergeType] = {}

    def merge_type(self, definition: str) -> MergeType:
        """Raises SchemaError."""
        found = self._types.get(definition)
        if found is not None:
            return found
        if definition in _SCALARS:
            return self._types.setdefault(definition, MergeType(scalar="untyped"))
        schema = self._lookup(definition)
        # A definition may refer to itself: it is known before its fields are.
        known = self._types[definition] = MergeType()
        compiled = self._compile(schema, definition)
        known.scalar, known.map, known.list = compiled.scalar, compiled.map, compiled.list
        return known

    def _compile(self, schema: Schema, definition: str = "") -> MergeType:
        """`definition`: the name of what the schema defines, "" for a field or an item."""
        if schema.ref:
            return self._referred(schema)
        match schema.json_type:
            case "object" if schema.properties:
                return MergeType(map=self._struct(schema, definition))
            case "object" if schema.additional is not None:
                return MergeType(map=MapType(element=self._compile(schema.additional), atomic=schema.map_type == "atomic"))
            case "array" if schema.items is not None:
                return MergeType(list=self._list(schema, schema.items))
            case "string" | "boolean" | "integer" | "number":
                return MergeType(scalar=_SCALAR_TYPES[schema.json_type])
            case _:
                return UNTYPED

    def _referred(self, schema: Schema) -> MergeType:
        referred = self.merge_type(schema.definition)
        if schema.map_type and referred.map is not None and referred.map.atomic != (schema.map_type == "atomic"):
            return MergeType(map=replace(referred.map, atomic=schema.map_type == "atomic"))
        return referred

    def _struct(self, schema: Schema, definition: str) -> MapType:
        embedded = {*_EMBEDDED.get(definition.removeprefix(_API), ()), *_EMBEDDED_OF_CRDS.get(definition, ())}
        if definition not in _POINTERS:
            embedded |= {name for name in _ALWAYS_EMBEDDED if name in schema.properties and schema.properties[name].ref}
        return MapType(
            fields={name: self._compile(field) for name, field in schema.properties.items()},
            element=self._compile(schema.additional) if schema.additional is not None else None,
            atomic=schema.map_type == "atomic",
            embedded=frozenset(embedded),
        )

    def _list(self, schema: Schema, items: Schema) -> ListType:
        if schema.list_type:
            atomic, keys = schema.list_type == "atomic", tuple(schema.list_map_keys)
        elif "merge" in schema.strategies:
            atomic, keys = False, (schema.patch_merge_key,) if schema.patch_merge_key else ()
        else:
            atomic, keys = True, ()
        return ListType(self._compile(items), atomic, keys, _KEY_DEFAULTS.get(items.definition, {}))


_SCALAR_TYPES: Mapping[str, Scalar] = {"string": "string", "boolean": "boolean", "integer": "numeric", "number": "numeric"}
