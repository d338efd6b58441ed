"""A container's writable layer is the upper directory of its root, whatever engine or snapshotter mounted it."""

from pathlib import Path

from agent.stats.mounts import writable_layer

OVERLAY = "60 50 0:55 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/l/A:/l/B,upperdir=/d/x\\040y/diff,workdir=/w\n"


def test_the_upper_directory_of_an_overlay() -> None:
    proc = "61 60 0:4 / /proc rw - proc proc rw\n"
    assert writable_layer(OVERLAY + proc) == Path("/d/x y/diff")


def test_other_storage_has_none() -> None:
    assert writable_layer("60 50 8:1 /var/lib/docker/vfs/dir/x / rw - ext4 /dev/sda1 rw\n") is None
    assert writable_layer("") is None


def test_an_overlay_that_is_no_root_is_none() -> None:
    assert writable_layer(OVERLAY.replace(" / / ", " / /data ")) is None
