"""x-kubernetes-validations: rules in CEL at any part of a schema.

`field_path` reads a rule's fieldPath, `compilation` compiles the rules of one part, `validator` evaluates all rules of an
object within one budget. Source: k8s.io/apiextensions-apiserver pkg/apiserver/schema/cel.
"""
