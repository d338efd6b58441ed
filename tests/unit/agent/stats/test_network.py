"""What a namespace received and sent, without what stays inside."""

from pathlib import Path

from agent.stats.network import network
from tests.unit.agent.stats.cgroup_tree import write

HEAD = "Inter-|   Receive                        |  Transmit\n face |bytes packets errs drop fifo ...\n"


def line(name: str, received: int, sent: int) -> str:
    return f"{name:>6}: {received} 1 2 0 0 0 0 0 {sent} 1 3 0 0 0 0 0\n"


def test_the_default_interface_comes_first_and_loopback_not_at_all(tmp_path: Path) -> None:
    write(tmp_path / "9/net/dev", HEAD + line("lo", 900, 900) + line("net1", 500, 500) + line("eth0", 10, 20))
    found = network(9, tmp_path)
    assert found is not None
    assert found.default is not None
    assert (found.default.name, found.default.rx_bytes, found.default.tx_bytes) == ("eth0", 10, 20)
    assert (found.default.rx_errors, found.default.tx_errors) == (2, 3)
    assert [one.name for one in found.interfaces] == ["net1", "eth0"]


def test_the_busiest_where_there_is_no_eth0(tmp_path: Path) -> None:
    write(tmp_path / "self/net/dev", HEAD + line("ens3", 10, 20) + line("ens4", 50, 20) + line("veth12", 900, 900))
    found = network(proc=tmp_path)
    assert found is not None
    assert found.default is not None
    assert found.default.name == "ens4"


def test_a_process_that_has_gone_has_none(tmp_path: Path) -> None:
    assert network(9, tmp_path) is None
