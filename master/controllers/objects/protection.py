"""Protection of storage in use: a finalizer that an object carries from its first moment until, deleted, nobody uses it.

Source: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#storage-object-in-use-protection
"""

from lightkube.resources.core_v1 import PersistentVolume, PersistentVolumeClaim

from master.client.errors import StatusError
from master.client.protocol import Client
from master.controllers.objects.metadata import meta, terminating, with_metadata


def is_due(obj: PersistentVolume | PersistentVolumeClaim, finalizer: str) -> bool:
    """Whether the finalizer is missing, or there on an object that is being deleted."""
    return (finalizer in (meta(obj).finalizers or ())) == terminating(obj)


async def settle(client: Client, obj: PersistentVolume | PersistentVolumeClaim, finalizer: str) -> None:
    """Give an object that is due its finalizer, or take it away. An object that is gone needs neither."""
    others = [one for one in meta(obj).finalizers or () if one != finalizer]
    finalizers = others if terminating(obj) else [*others, finalizer]
    try:
        await client.replace(with_metadata(obj, finalizers=finalizers))
    except StatusError as error:
        if error.code != 404:
            raise
