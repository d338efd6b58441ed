"""Streams into pods: logs, exec, attach, port-forward, proxies. `pod_streams` serves each to its end."""
