"""Structural schemas at work. All functions take a schema as JSON (JSONSchemaProps) that `definition` has accepted."""
