"""Service account tokens: JSON Web Tokens that say which account, bound to which pod, for which audiences.

- `keys`: the keys that sign and verify, and what a relying party is told of them (JWKS).
- `claims`: what stands in a token, exactly as Kubernetes writes it.

Pure; knows no store and no HTTP. The API issues on request (serviceaccounts/token) and authenticates, the fleet issues for the
pods of nodes, the token controller fills Secrets.
"""
