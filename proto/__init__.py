"""What master and agent must agree on: the wire, Kubernetes' own values, and how a daemon behaves.

Imports nothing of `master` or `agent`.

- `envelope`, `messages`, `topics`, `ordering`, `signing`, `sealing`, `stream`: the wire over MQTT.
- `k8s`: values of Kubernetes' API that both sides read (quantities, references, object keys).
- `daemon`: settings, logs and systemd notification, the same for both daemons.
"""
