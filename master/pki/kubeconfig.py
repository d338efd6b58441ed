"""kubectl's configuration file for one user, with all keys embedded.

Source: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
"""

import base64

import yaml


def render(*, server: str, ca_pem: bytes, certificate_pem: bytes, key_pem: bytes, user: str, cluster: str) -> bytes:
    """A kubeconfig that reaches `server` (https://host:port) as `user`."""
    context = f"{user}@{cluster}"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": {"server": server, "certificate-authority-data": _base64(ca_pem)}}],
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate-data": _base64(certificate_pem),
                    "client-key-data": _base64(key_pem),
                },
            }
        ],
        "contexts": [{"name": context, "context": {"cluster": cluster, "user": user}}],
        "current-context": context,
        "preferences": {},
    }
    return yaml.safe_dump(document, sort_keys=False).encode()


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
