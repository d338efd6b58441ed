"""Which addresses the API's proxies may reach."""

import pytest

from proto.k8s.address import is_proxyable


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("10.0.0.1", True),
        ("203.0.113.9", True),
        ("fd00::1", True),
        ("127.0.0.1", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("169.254.169.254", False),
        ("fe80::1", False),
        ("224.0.0.1", False),
        ("0.0.0.0", False),
        ("255.255.255.255", False),
        ("", False),
        ("::ffff:10.0.0.1", True),
        ("metadata.internal", False),
    ],
)
def test_only_addresses_beyond_a_host_are_reached(address: str, may: bool) -> None:
    assert is_proxyable(address) is may
