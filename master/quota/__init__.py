"""What objects use of a namespace's ResourceQuotas: pure functions over JSON objects.

Admission asks before an object is stored whether it still fits, and charges it; the quota controller counts everything anew
from time to time and after deletions. Both must count alike, so that is done here: one file a kind with rules of its own, and
`registry` to find them. Source: kubernetes' pkg/quota/v1 and k8s.io/apiserver pkg/quota/v1.
"""
