"""The pod template that Pod, Deployment and ReplicaSet share: defaults and validation, one file per part.

- `defaults`: every default of a pod spec
- `validation`: the spec as a whole; `containers`, `env`, `probes`, `ports`, `resources`, `volumes`, `security`,
  `scheduling`: its parts
- `updates`: what may change in a running pod's spec
"""
