"""The OpenAPI documents of the served kinds: what `kubectl explain`, `apply` and `--validate` read.

- `source`: Kubernetes' definitions with their prose, read from the packaged file and never kept
- `operations`: the paths and operations of a kind
- `v2`, `v3`: the two document formats; `protobuf`: version 2 in gnostic's encoding
- `custom_resources`: the definitions of custom resources
- `documents`: makes each document when it is asked for, and anew when custom resources change

Called by the HTTP layer through `master.api.discovery.openapi`.
"""
