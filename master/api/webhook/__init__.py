"""Calls to webhooks: one HTTPS client for admission and for the conversion of custom resources.

`client` posts a review and gives the answer back, `services` finds a Service's endpoints, `trust` keeps the TLS contexts.
"""
