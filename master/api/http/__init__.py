"""The API's HTTP server: routing, negotiation, bodies, watches, errors. Knows aiohttp; the registry below does not."""
