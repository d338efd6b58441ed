"""Role-based access control: rules, the index of roles and bindings, the authoriser, escalation checks, the default policy.

Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/
"""
