"""What master and nodes agree on about claims to storage."""


def ephemeral_claim_name(pod: str, volume: str) -> str:
    """The name of the claim that is made for a pod's generic ephemeral volume.

    https://kubernetes.io/docs/concepts/storage/ephemeral-volumes/#persistentvolumeclaim-naming
    """
    return f"{pod}-{volume}"
