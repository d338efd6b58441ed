"""Hands out what must be unique in the cluster: cluster IPs and node ports of Services."""
