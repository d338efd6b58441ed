"""The Kubernetes REST API over TLS, generic over declared kinds.

`registry` holds the verbs, `http` speaks HTTP, `auth` tells who asks and what they may, `admission` changes or refuses objects
on their way in, `allocation` hands out cluster IPs and node ports, `discovery` lists what there is. `kinds`, `schema`,
`patch`, `printers` and `openapi` know the kinds. `protobuf` reads bodies that kubectl 1.32 and newer send. `streaming` serves
exec, attach and port-forward.

`master.app` wires it in this order (nothing here starts a task by itself):

    settings = ApiSettings(...)                                  # master.api.settings; a slice of the master's settings
    registry = build_registry(store, cache, settings)            # master.api.build; a master.client.protocol.Verbs
    await registry.open()                                        # after the watch cache is in sync: rebuilds allocations
    await bootstrap(registry, settings)                          # master.api.bootstrap: namespaces, the kubernetes Service
    client = LocalClient(registry)                               # master.client.local, for controllers, scheduler, fleet
    server = build_server(registry, settings, ServerParts(       # master.api.build
        ssl_context=...,       # ssl.SSLContext: server certificate, verify_mode=CERT_OPTIONAL, cluster CA loaded
        streams=...,           # master.client.streams.NodeStreams (fleet): pod logs
        streaming=...,         # master.api.http.protocols.StreamingHandler or None
        joiner=...,            # master.api.http.protocols.Joiner or None
        static_tokens={},      # token -> UserInfo
        token_authenticators=(),  # more master.api.auth.protocol.TokenAuthenticator
        ready_checks={},       # name -> Callable[[], str]: "" when ready, else why not
    ))
    await server.run()                                           # until cancelled; raises master.api.http.server.CannotListen

`server.started` (asyncio.Event) is set when it listens; `server.port` is then the port (settings.port may be 0).
Layers: build, bootstrap → http → registry → admission, allocation, auth, discovery → kinds, schema.
"""
