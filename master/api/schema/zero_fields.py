"""Which fields an object has even when nobody set them: Go's encoder writes the zero value of those without "omitempty".

A condition that a client sends without its `status`, or a probe's header without a value, is so stored with an empty one, as
in Kubernetes, and whoever's types ask for the field can read it: informers would not see the object otherwise. Lists, maps
and objects are not written: their zero is null, which says no more than nothing. Of the definitions' required fields these
are all but a few, which Kubernetes declares as pointers or omits when empty.

Source: types.go of k8s.io/api, apimachinery, apiextensions-apiserver and kube-aggregator, compared field by field.
"""

from collections.abc import Mapping

from master.api.schema.definitions import Schema

Zero = str | bool | int

_API = "io.k8s.api."
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
#: Groups whose types were compared.
_KNOWN = (
    _API,
    _META,
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.",
    "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.",
)
#: By definition; required fields that are not written when they are unset.
_OMITTED: Mapping[str, tuple[str, ...]] = {
    _API + "admissionregistration.v1.MutatingWebhook": ("sideEffects",),
    _API + "admissionregistration.v1.ValidatingWebhook": ("sideEffects",),
    _API + "networking.v1.HTTPIngressPath": ("pathType",),
    _API + "networking.v1.ParentReference": ("name", "resource"),
}
_ZEROS: Mapping[str, Zero] = {"string": "", "boolean": False, "integer": 0, "number": 0}


def written_when_unset(definition: str, schema: Schema) -> dict[str, Zero]:
    """The fields of a definition that are there even when they are unset, with what stands there then."""
    if not definition.startswith(_KNOWN):
        return {}
    omitted = _OMITTED.get(definition, ())
    fields = ((name, schema.properties[name]) for name in schema.required if name not in omitted)
    return {name: _ZEROS[field.json_type] for name, field in fields if field.json_type in _ZEROS and field.format != "byte"}
