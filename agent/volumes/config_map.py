"""A ConfigMap's keys as files. https://kubernetes.io/docs/concepts/storage/volumes/#configmap"""

from agent.volumes.atomic_writer import write
from agent.volumes.protocol import Prepared, VolumeContext
from agent.volumes.sources import config_map_files


class ConfigMapVolume:
    source = "configMap"
    live = True

    def set_up(self, context: VolumeContext) -> Prepared:
        asked = context.volume.configMap
        assert asked is not None
        files = config_map_files(
            context, asked.name or "", items=asked.items, mode=asked.defaultMode, optional=bool(asked.optional)
        )
        write(context.directory, files, group=context.fs_group)
        return Prepared(context.directory, read_only=True)


PLUGIN = ConfigMapVolume()
