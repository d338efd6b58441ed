"""CustomResourceDefinitions and the custom resources that they declare.

- `structural/`: structural schemas at work: pruning, defaulting, validation of values, list types, embedded objects
- `rules/`: x-kubernetes-validations: their types, their compilation, their evaluation with transition rules and ratcheting
- `definition/`: what a CustomResourceDefinition must be: names, versions, schemas, columns, conversion
- `kind`: the `Kind` of one version of a definition, made at run time; `json_path` and `columns`: what `kubectl get` shows
- `conversion`: between versions, by name only or by a webhook; on read also old objects get their defaults
- `names`: which names a definition gets
- `controller`: conditions, live kinds, and the end of a definition, which takes its objects along

Everything follows the definitions in the watch cache: a definition that becomes Established is served within a moment, and
discovery, OpenAPI and tables follow from the kinds. Called by `master.api.build`. Nothing here is imported before the first
definition exists, but for `controller`. Sources: k8s.io/apiextensions-apiserver;
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
"""
