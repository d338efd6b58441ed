"""The Pod Security Standards: which of their rules a pod violates, at a level and in a version. Pure; the plugin asks.

Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/, k8s.io/pod-security-admission.
"""
