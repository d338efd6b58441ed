"""The master's side of MQTT: orders go down to the nodes, what they observe comes up.

- `session`: MQTT itself; aiomqtt stays in there.
- `view`, `references`, `trim`: what each reader must have, out of the informers.
- `publisher`: compares that with what was published and publishes the difference.
- `intake`: takes in what nodes say; `nodes`, `pods`, `node_events` write it to the API.
- `returns`: asks nodes that are back to repeat themselves.
- `liveness`, `leases`: who was heard when.
- `streams`: logs, exec, attach and port-forward.
- `epoch`: which leader this is.
- `join`: lets new nodes in.
- `fleet`: the loop that holds them together.

Built by `master.app`. Only the leader runs it.
"""
