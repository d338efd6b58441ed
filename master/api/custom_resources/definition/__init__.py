"""What a CustomResourceDefinition must be (k8s.io/apiextensions-apiserver pkg/apis/apiextensions/validation).

`validation` is the whole; `names`, `columns`, `conversion`, `schemas` (OpenAPI's part), `structure` (structural schemas),
`default_values` and `rules` are its parts. Paths are those of Kubernetes' internal form, which its errors show: what all
versions have in common stands at the top ("spec.validation.openAPIV3Schema").
"""
