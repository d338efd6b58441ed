"""Several sources in one directory, in memory. https://kubernetes.io/docs/concepts/storage/projected-volumes/

Service account tokens come from the master by themselves, and new ones before they end. clusterTrustBundle: MountFailed.
"""

from agent.volumes.atomic_writer import VolumeFile, write
from agent.volumes.memory_directory import memory_directory
from agent.volumes.protocol import MountFailed, Prepared, VolumeContext
from agent.volumes.sources import config_map_files, downward_files, secret_files, token_files


class ProjectedVolume:
    source = "projected"
    live = True

    def set_up(self, context: VolumeContext) -> Prepared:
        asked = context.volume.projected
        assert asked is not None
        files: dict[str, VolumeFile] = {}
        mode = asked.defaultMode
        for source in asked.sources or ():
            if source.configMap is not None:
                one = source.configMap
                files |= config_map_files(context, one.name or "", items=one.items, mode=mode, optional=bool(one.optional))
            elif source.secret is not None:
                secret = source.secret
                files |= secret_files(
                    context, secret.name or "", items=secret.items, mode=mode, optional=bool(secret.optional)
                )
            elif source.downwardAPI is not None:
                files |= downward_files(context, source.downwardAPI.items, mode=mode)
            elif source.serviceAccountToken is not None:
                files |= token_files(context, source.serviceAccountToken, mode=mode)
            else:
                raise MountFailed("ClusterTrustBundle projection is disabled on this node")
        memory_directory(context.directory)
        write(context.directory, files, group=context.fs_group)
        return Prepared(context.directory, read_only=True)


PLUGIN = ProjectedVolume()
