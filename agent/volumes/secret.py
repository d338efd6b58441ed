"""A Secret's keys as files in memory. https://kubernetes.io/docs/concepts/storage/volumes/#secret"""

from agent.volumes.atomic_writer import write
from agent.volumes.memory_directory import memory_directory
from agent.volumes.protocol import Prepared, VolumeContext
from agent.volumes.sources import secret_files


class SecretVolume:
    source = "secret"
    live = True

    def set_up(self, context: VolumeContext) -> Prepared:
        asked = context.volume.secret
        assert asked is not None
        files = secret_files(
            context, asked.secretName or "", items=asked.items, mode=asked.defaultMode, optional=bool(asked.optional)
        )
        memory_directory(context.directory)
        write(context.directory, files, group=context.fs_group)
        return Prepared(context.directory, read_only=True)


PLUGIN = SecretVolume()
