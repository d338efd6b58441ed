"""When images are to go, and how much."""

import pytest

from agent.kubelet.images.gc import to_free
from agent.kubelet.node.machine import Disk


@pytest.mark.parametrize(
    ("available", "wanted"),
    [
        (1000, 0),
        (160, 0),
        # kubelet rounds the use up: 85 % of a disk of 1000 are used from 159 available on.
        (159, 41),
        (150, 50),
        (0, 200),
    ],
)
def test_above_the_high_threshold_the_disk_is_brought_down_to_the_low_one(available: int, wanted: int) -> None:
    assert to_free(Disk(1000, available), high=85, low=80) == wanted


def test_a_disk_of_no_size_asks_for_nothing() -> None:
    assert to_free(Disk(0, 0), high=85, low=80) == 0
