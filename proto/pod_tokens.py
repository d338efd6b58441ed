"""How a pod's service account tokens travel: the names that master and agent agree on.

One sealed order of resource "secrets" per pod that asks for tokens, without a namespace and named by the pod's uid: no
Secret of the API can be called so. It holds each token under `token_key` of what the pod's volume asked for (docs/adr/0026).
"""

#: The `type` of that object.
TYPE = "wherry.io/pod-tokens"


def token_key(audience: str, seconds: int) -> str:
    """The key of the token for an audience ("": the API itself) that was asked for so many seconds."""
    return f"{seconds}/{audience}"


def are_pod_tokens(resource: str, namespace: str) -> bool:
    """Whether an order of this resource and namespace holds a pod's tokens."""
    return resource == "secrets" and not namespace
