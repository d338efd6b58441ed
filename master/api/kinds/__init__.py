"""The kinds of the API: one declaration per file, each exporting `KIND`; what they share is in `rules/` and `pod_spec/`.

Read through `master.api.kinds.registry.KINDS`. To add a kind, add a file. Pure: no I/O, no store, no HTTP.
"""
