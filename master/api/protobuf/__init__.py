"""Kubernetes' protobuf encoding of objects, which kubectl 1.32 and newer send (and do not retry as JSON).

Requests only: answers are JSON, which every client accepts beside protobuf.
- `decoder`: an object's bytes to its JSON value, generic over messages
- `messages.json`: number, name and type of each field; made by `generate` from the tags of Kubernetes' Go types

Called by `master.api.http.bodies`.
"""
