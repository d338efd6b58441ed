"""ValidatingAdmissionPolicies: `policy` and its bindings, `program` evaluates one in a thread, `params` finds its parameters,
`dispatch` asks all that match, `status` writes what the type checker finds."""
