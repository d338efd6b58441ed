"""Which UDP flows are stale."""

from agent.proxy.conntrack import frontends
from tests.unit.agent.proxy.model_cases import port

ALIVE, DEAD = ("10.244.0.2", 8080), ("10.244.0.99", 8080)


def test_a_flow_is_stale_when_its_endpoint_is_none_of_the_service_any_more() -> None:
    known = frontends([port(protocol="UDP", node_port=30053, external_ips=("203.0.113.1",))], [])
    for asked in (("10.96.0.10", 80), ("203.0.113.1", 80), ("198.18.0.1", 30053)):
        assert not known.is_stale(asked, ALIVE)
        assert known.is_stale(asked, DEAD)


def test_flows_that_are_not_of_a_service_are_never_stale() -> None:
    known = frontends([port(protocol="UDP", node_port=30053), port("tcp", cluster_ip="10.96.0.11")], [])
    assert not known.is_stale(("10.96.0.11", 80), DEAD), "TCP"
    assert not known.is_stale(("9.9.9.9", 53), DEAD)
    assert not known.is_stale(("9.9.9.9", 30053), ("9.9.9.9", 30053)), "not translated"


def test_all_flows_of_a_service_that_is_gone_are_stale() -> None:
    gone = port(protocol="UDP")
    assert frontends([], [gone]).is_stale(("10.96.0.10", 80), ALIVE)
    assert not frontends([gone], [gone]).is_stale(("10.96.0.10", 80), ALIVE)
