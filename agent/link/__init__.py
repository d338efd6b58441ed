"""The agent's one line to the master: a single MQTT session, out only.

- `session`: MQTT itself; aiomqtt stays in there.
- `receiver`, `held`, `objects`: orders, checked and ordered, to disk and then to `agent.desired`.
- `outbox`: what the node's parts report (`agent.reporter.Reporter`), kept until it could be sent.
- `streams`: logs, exec, attach and port-forward.
- `link`: the loop that holds them together: connect, hello, heartbeats, resend.
"""
