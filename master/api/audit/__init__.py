"""The audit log: who asked for what, when, and what came of it (audit.k8s.io/v1). Off unless the settings name a policy.

`policy` tells how much of a request is written, `event` gathers it while the request is answered, `current` lets admission add
annotations to it, `log` writes lines to a file off the event loop. `ApiServer` begins and ends each request's event.
"""
