"""The agent's health and metrics over HTTP, on loopback."""
