"""Nodes at the API: who is one, what its pods refer to, and what it may therefore read.

Agents speak MQTT; a node's certificate is valid at the API as well, and whoever steals one must get no further than that node.
Source: https://kubernetes.io/docs/reference/access-authn-authz/node/
"""
