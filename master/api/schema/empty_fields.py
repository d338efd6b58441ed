"""Which fields are left out of an object when they are empty: maps and lists, as Go's encoder drops them ("omitempty").

What a client sends as `annotations: {}` is so never stored, and `kubectl diff` sees no change in it. A few lists are written
even when they are empty; and an empty managedFields is a request, which the registry carries out.

Source: k8s.io/api types.go.
"""

from collections.abc import Mapping

from master.api.schema.definitions import Schema

_API = "io.k8s.api."
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
#: By definition; the names of the fields that are written when they are empty.
_WRITTEN: Mapping[str, tuple[str, ...]] = {
    _API + "admissionregistration.v1.MutatingWebhook": ("admissionReviewVersions",),
    _API + "admissionregistration.v1.ValidatingWebhook": ("admissionReviewVersions",),
    _API + "authentication.v1.TokenRequestSpec": ("audiences",),
    _API + "authorization.v1.NonResourceRule": ("verbs",),
    _API + "authorization.v1.ResourceRule": ("verbs",),
    _API + "authorization.v1.SubjectRulesReviewStatus": ("resourceRules", "nonResourceRules"),
    _API + "autoscaling.v2.HorizontalPodAutoscalerStatus": ("currentMetrics",),
    _API + "batch.v1.PodFailurePolicy": ("rules",),
    _API + "batch.v1.PodFailurePolicyOnExitCodesRequirement": ("values",),
    _API + "batch.v1.SuccessPolicy": ("rules",),
    _API + "core.v1.CephFSPersistentVolumeSource": ("monitors",),
    _API + "core.v1.CephFSVolumeSource": ("monitors",),
    _API + "core.v1.ContainerImage": ("names",),
    _API + "core.v1.LimitRangeSpec": ("limits",),
    _API + "core.v1.NodeSelector": ("nodeSelectorTerms",),
    _API + "core.v1.PodSpec": ("containers",),
    _API + "core.v1.ProjectedVolumeSource": ("sources",),
    _API + "core.v1.RBDPersistentVolumeSource": ("monitors",),
    _API + "core.v1.RBDVolumeSource": ("monitors",),
    _API + "core.v1.TopologySelectorLabelRequirement": ("values",),
    _API + "discovery.v1.Endpoint": ("addresses",),
    _API + "discovery.v1.EndpointSlice": ("endpoints", "ports"),
    _API + "networking.v1.HTTPIngressRuleValue": ("paths",),
    _API + "rbac.v1.ClusterRole": ("rules",),
    _API + "rbac.v1.PolicyRule": ("verbs",),
    _API + "rbac.v1.Role": ("rules",),
    _API + "storage.v1.CSINodeDriver": ("topologyKeys",),
    _API + "storage.v1.CSINodeSpec": ("drivers",),
    _META + "ObjectMeta": ("managedFields",),
}
#: Groups whose types are written in these ways; those of others are kept as they come.
_KNOWN = (_API, _META)


def dropped_when_empty(definition: str, schema: Schema) -> frozenset[str]:
    """The fields of a definition that are not there when they are empty."""
    if not definition.startswith(_KNOWN):
        return frozenset()
    written = _WRITTEN.get(definition, ())
    return frozenset(name for name, field in schema.properties.items() if _is_container(field) and name not in written)


def _is_container(field: Schema) -> bool:
    return not field.ref and (field.items is not None or field.additional is not None)
