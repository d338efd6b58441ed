"""The proxy subresources of pods, services and nodes: one HTTP request, passed on through a stream of the target's node.

The master opens no connection of its own: it may not reach pods, and cannot be used to reach anything else. No redirect is
followed; what comes back goes to the client as it is, links to the target excepted.

- `target`: which node, address and port a name means ("pod", "service:port", "https:node:port").
- `connection`: the stream as a reader and writer, with TLS when the scheme asks for it.
- `exchange`: HTTP/1.1 over these: one request, one answer, never a second.
- `headers`, `links`: what is dropped, added and rewritten on the way.
- `handler`: what the HTTP server calls.
"""
