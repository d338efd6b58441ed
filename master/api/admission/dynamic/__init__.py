"""Dynamic admission: what a cluster's users configure to change or refuse writes: webhooks, and policies in CEL.

    in-tree mutating plugins ─► mutating webhooks, in order ─► once more, if they changed something ─► defaults, validation
        ─► ValidatingAdmissionPolicies ─► validating webhooks, at once ─► in-tree validating plugins (quota) ─► store

`admission` is what the registry calls. `attributes` is one operation as all of them see it; `matching`, `selectors` and
`equivalents` tell who wants to see it and in which version; `webhooks` calls the former, `policies` evaluates the latter.
Configurations are read from the watch cache and compiled once per change; without any, a write pays two look-ups.
Their own kinds are exempt, so that no mistake locks a cluster for good.

Source: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/ and
validating-admission-policy/; k8s.io/apiserver pkg/admission/plugin
"""
