"""Kubernetes' default roles and bindings, and how each start brings the cluster's up to them.

Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings
"""
