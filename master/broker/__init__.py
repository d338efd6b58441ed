"""The Eclipse mosquitto that the master runs by default: its configuration, its process, its supervision.

- `config`: mosquitto.conf and the ACL file, pure.
- `process`: starts, watches, restarts and stops the program.

The broker is a cache, never the store: whatever it loses, `master.fleet` publishes again.
"""
