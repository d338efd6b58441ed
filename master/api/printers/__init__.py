"""What `kubectl get` shows: server-side tables, one file per kind, in Kubernetes' columns and words.

Called by `master.api`'s HTTP layer through `master.api.printers.table`; pure functions over JSON objects.
"""
