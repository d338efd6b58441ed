"""Cluster IPs and node ports: unique, as asked for, freed again."""

from typing import Any

import pytest

from master.api.allocation.ranges import OwnedRange, RangeFull
from master.api.allocation.services import ServiceAllocator
from master.client.errors import StatusError

Json = dict[str, Any]


def service(name: str, **spec: Any) -> Json:
    spec.setdefault("type", "ClusterIP")
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80, "protocol": "TCP"}], **spec}}


def allocator() -> ServiceAllocator:
    return ServiceAllocator("10.96.0.0/24", 30000, 30009)


def stored(one: ServiceAllocator, key: str, obj: Json, old: Json | None = None) -> Json:
    one.reserve(key, obj, old).commit()
    return obj


def test_a_cluster_ip_fills_in_the_fields_that_hang_on_it() -> None:
    spec = stored(allocator(), "a", service("a"))["spec"]
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    assert spec["ipFamilies"] == ["IPv4"]
    assert spec["ipFamilyPolicy"] == "SingleStack"
    assert spec["clusterIP"].startswith("10.96.0.")


def test_every_service_gets_an_address_of_its_own_until_the_range_is_full() -> None:
    one = allocator()
    found = {stored(one, f"s{i}", service(f"s{i}"))["spec"]["clusterIP"] for i in range(254)}
    assert len(found) == 254
    with pytest.raises(StatusError, match="range is full"):
        one.reserve("s254", service("s254"), None)
    one.release("s7")
    stored(one, "s254", service("s254"))


def test_an_address_that_is_taken_is_refused_in_kubernetes_words() -> None:
    one = allocator()
    stored(one, "a", service("a", clusterIP="10.96.0.10"))
    with pytest.raises(StatusError) as caught:
        one.reserve("b", service("b", clusterIP="10.96.0.10"), None)
    assert caught.value.code == 422
    assert caught.value.message == (
        'Service "b" is invalid: spec.clusterIPs: Invalid value: []string{"10.96.0.10"}: '
        "failed to allocate IP 10.96.0.10: provided IP is already allocated"
    )


@pytest.mark.parametrize("address", ["10.97.0.1", "10.96.0.0", "10.96.0.255", "192.0.2.1"])
def test_an_address_outside_the_range_is_refused(address: str) -> None:
    with pytest.raises(StatusError, match=r"is not in the valid range. The range of valid IPs is 10.96.0.0/24"):
        allocator().reserve("a", service("a", clusterIP=address), None)


def test_a_headless_service_takes_no_address() -> None:
    spec = stored(allocator(), "a", service("a", clusterIP="None"))["spec"]
    assert spec["clusterIPs"] == ["None"]


def test_a_write_that_fails_frees_what_it_took() -> None:
    one = allocator()
    one.reserve("a", service("a", clusterIP="10.96.0.10"), None).rollback()
    stored(one, "b", service("b", clusterIP="10.96.0.10"))


def test_node_ports_are_given_to_node_port_services_only() -> None:
    one = allocator()
    node_port = stored(one, "a", service("a", type="NodePort"))["spec"]["ports"][0]["nodePort"]
    assert 30000 <= node_port <= 30009
    assert "nodePort" not in stored(one, "b", service("b"))["spec"]["ports"][0]


def test_a_node_port_that_is_taken_or_out_of_range_is_refused() -> None:
    one = allocator()
    stored(one, "a", service("a", type="NodePort", ports=[{"port": 80, "nodePort": 30005}]))
    with pytest.raises(StatusError, match=r"ports\[0\].nodePort: Invalid value: 30005: provided port is already allocated"):
        one.reserve("b", service("b", type="NodePort", ports=[{"port": 80, "nodePort": 30005}]), None)
    with pytest.raises(StatusError, match=r"provided port is not in the valid range. The range of valid ports is 30000-30009"):
        one.reserve("b", service("b", type="NodePort", ports=[{"port": 80, "nodePort": 80}]), None)


def test_tcp_and_udp_of_one_port_share_a_node_port() -> None:
    ports = [{"port": 53, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]
    got = stored(allocator(), "a", service("a", type="NodePort", ports=ports))["spec"]["ports"]
    assert got[0]["nodePort"] == got[1]["nodePort"]


def test_an_update_without_allocated_values_keeps_them() -> None:
    one = allocator()
    old = stored(one, "a", service("a", type="NodePort"))
    new = stored(one, "a", service("a", type="NodePort"), old)
    assert new["spec"]["clusterIP"] == old["spec"]["clusterIP"]
    assert new["spec"]["ports"] == old["spec"]["ports"]


def test_a_change_of_type_frees_the_node_port() -> None:
    one = allocator()
    old = stored(one, "a", service("a", type="NodePort", ports=[{"port": 80, "nodePort": 30001}]))
    changed = stored(one, "a", service("a", ports=[{"port": 80, "nodePort": 30001}]), old)
    assert "nodePort" not in changed["spec"]["ports"][0]
    stored(one, "b", service("b", type="NodePort", ports=[{"port": 80, "nodePort": 30001}]))


def test_after_a_restart_nothing_is_given_twice() -> None:
    one = allocator()
    first = stored(one, "a", service("a", type="NodePort"))
    again = allocator()
    again.rebuild([("a", first)])
    with pytest.raises(StatusError, match="already allocated"):
        again.reserve("b", service("b", clusterIP=first["spec"]["clusterIP"]), None)


def test_numbers_that_are_picked_leave_the_lower_band_free() -> None:
    numbers = OwnedRange(0, 999)
    for _ in range(900):
        numbers.hold(numbers.next_free(), "x")
    assert all(numbers.owner(number) is None for number in range(62))


def test_a_full_range_says_so() -> None:
    numbers = OwnedRange(1, 2)
    numbers.hold(numbers.next_free(), "x")
    numbers.hold(numbers.next_free(), "x")
    with pytest.raises(RangeFull):
        numbers.next_free()
