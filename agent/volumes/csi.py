"""Volumes of CSI drivers, and of the cloud types that Kubernetes hands to them: no driver can register with this agent.

The messages are kubelet's for a driver that is not there. https://kubernetes.io/docs/concepts/storage/volumes/#out-of-tree-volume-plugins
"""

from agent.volumes.protocol import MountFailed, Prepared, VolumeContext

#: In-tree types whose operations Kubernetes redirects to a driver (CSIMigration).
MIGRATED = {
    "awsElasticBlockStore": "ebs.csi.aws.com",
    "azureDisk": "disk.csi.azure.com",
    "azureFile": "file.csi.azure.com",
    "cinder": "cinder.csi.openstack.org",
    "gcePersistentDisk": "pd.csi.storage.gke.io",
    "portworxVolume": "pxd.portworx.com",
    "vsphereVolume": "csi.vsphere.vmware.com",
}


class CSIVolume:
    source = "csi"
    live = False

    def set_up(self, context: VolumeContext) -> Prepared:
        asked = context.volume.csi or (context.persistent.csi if context.persistent is not None else None)
        assert asked is not None
        raise missing_driver(asked.driver, inline=context.persistent is None)


def missing_driver(driver: str, *, inline: bool) -> MountFailed:
    missing = f"driver name {driver} not found in the list of registered CSI drivers"
    if inline:
        return MountFailed(f"kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: {missing}")
    return MountFailed(
        f"kubernetes.io/csi: attacher.MountDevice failed to create newCsiDriverClient: {missing}",
        stage="MountVolume.MountDevice failed",
    )


PLUGIN = CSIVolume()
