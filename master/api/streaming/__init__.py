"""Connections into pods: exec, attach and port-forward, as every kubectl speaks them.

- `connection`: a byte connection taken over from HTTP (raw upgrade, or tunnelled in WebSocket messages).
- `spdy`: SPDY/3.1 sessions and streams over such a connection (kubectl up to 1.30, and port-forward of later ones).
- `remote_command`: exec and attach over SPDY or WebSocket channels, bridged to a stream into the node.
- `port_forward`: port-forward over SPDY, raw or in WebSocket.
- `handler`: what the HTTP server calls; chooses by the request's headers.
"""
