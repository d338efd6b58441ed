"""The node as the API shows it: what the host is, what pods may use of it, its conditions and events."""
