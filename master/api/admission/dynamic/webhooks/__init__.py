"""Admission webhooks: `hook` is one of a configuration, `review` what travels, `call` one call, `dispatch` the two phases."""
