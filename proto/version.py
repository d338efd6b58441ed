"""The version of wherry and of what it speaks; the only place where these numbers stand."""

VERSION = "0.1.0"

#: The Kubernetes release whose API types and behaviour wherry follows.
KUBERNETES_VERSION = "1.33.0"

#: Version of the wire's envelope; a receiver refuses envelopes of another one.
WIRE_VERSION = 1
