"""The pod's own labels, annotations and resources as files. https://kubernetes.io/docs/concepts/storage/volumes/#downwardapi"""

from agent.volumes.atomic_writer import write
from agent.volumes.protocol import Prepared, VolumeContext
from agent.volumes.sources import downward_files


class DownwardAPIVolume:
    source = "downwardAPI"
    live = True

    def set_up(self, context: VolumeContext) -> Prepared:
        asked = context.volume.downwardAPI
        assert asked is not None
        write(context.directory, downward_files(context, asked.items, mode=asked.defaultMode), group=context.fs_group)
        return Prepared(context.directory, read_only=True)


PLUGIN = DownwardAPIVolume()
