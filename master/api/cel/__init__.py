"""CEL, the Common Expression Language, as Kubernetes extends it: rules of CustomResourceDefinitions and admission policies.

    source ─ lexer, parser, macros ─► syntax tree ─ checker (types, declarations) ─► checked ─ evaluator ─► closures

- `environment`: what callers use: `Environment(variables).compile(source)` gives a `Program`; `Program.evaluate(…, budget)`
- `types`: CEL's types; `values`: how its values look in Python; `schema_types`: both, made of a structural schema
- `library/`: the functions, one file a subject: CEL's own, and Kubernetes' (quantities, addresses, URLs, formats, versions)
- `cost`: what each step costs; a budget bounds every evaluation in steps and in time

Called by `master.api.custom_resources` and by admission policies. Nothing here blocks for longer than its budget; regular
expressions are RE2's, which take linear time. Import `environment` only when there is an expression: an unused engine costs
no memory. Why an engine of our own: ADR 17. Sources: https://github.com/google/cel-spec,
https://kubernetes.io/docs/reference/using-api/cel/, k8s.io/apiserver pkg/cel.
"""
