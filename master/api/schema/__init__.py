"""Kubernetes' JSON schemas, and what the API reads from them: decoding, field and type checks, patch strategies.

- `definitions`: loads the schemas without their prose
- `schemas`: checks and normalises an object against its definition
- `json_body`: decodes a request's body and finds duplicate fields

Called by the registry, the patches and OpenAPI. No I/O but the one read of the packaged schema file.
"""
