"""Kubernetes' DNS-Based Service Discovery, record by record."""

import dns.name
import dns.rcode
import dns.rdatatype
import pytest

from agent.desired import Change
from agent.dns.zone import Answer, Zone
from agent.dns.zone_index import ZoneIndex
from tests.unit.agent.dns.cluster import cluster, service, slice_of, zone


def ask(of: Zone, name: str, rdtype: str = "A") -> Answer | None:
    return of.answer(dns.name.from_text(name), dns.rdatatype.from_text(rdtype))


def texts(answer: Answer | None) -> set[str]:
    assert answer is not None
    return {record.to_text() for rrset in answer.answer for record in rrset}


@pytest.mark.parametrize(
    ("name", "rdtype", "records"),
    [
        ("web.default.svc.cluster.local", "A", {"10.96.0.10"}),
        ("WEB.Default.SVC.Cluster.Local", "A", {"10.96.0.10"}),
        ("db.default.svc.cluster.local", "A", {"10.244.0.5", "10.244.0.6"}),
        ("early.default.svc.cluster.local", "A", {"10.244.0.8"}),
        ("db-0.db.default.svc.cluster.local", "A", {"10.244.0.5"}),
        ("10-244-0-6.db.default.svc.cluster.local", "A", {"10.244.0.6"}),
        ("_http._tcp.web.default.svc.cluster.local", "SRV", {"0 100 80 web.default.svc.cluster.local."}),
        (
            "_http._tcp.db.default.svc.cluster.local",
            "SRV",
            {
                "0 50 8080 db-0.db.default.svc.cluster.local.",
                "0 50 8080 10-244-0-6.db.default.svc.cluster.local.",
            },
        ),
        ("10.0.96.10.in-addr.arpa", "PTR", {"web.default.svc.cluster.local."}),
        ("5.0.244.10.in-addr.arpa", "PTR", {"db-0.db.default.svc.cluster.local."}),
        ("gone.default.svc.cluster.local", "CNAME", {"web.default.svc.cluster.local."}),
        ("1-2-3-4.default.pod.cluster.local", "A", {"1.2.3.4"}),
        ("dns-version.cluster.local", "TXT", {'"1.1.0"'}),
        ("cluster.local", "NS", {"ns.dns.cluster.local."}),
        ("ns.dns.cluster.local", "A", {"10.244.0.1"}),
    ],
)
def test_records(name: str, rdtype: str, records: set[str]) -> None:
    answer = ask(zone(cluster()), name, rdtype)
    assert texts(answer) == records
    assert answer is not None
    assert answer.rcode == dns.rcode.NOERROR
    assert all(rrset.name == dns.name.from_text(name) for rrset in answer.answer)


@pytest.mark.parametrize(
    ("name", "rdtype"),
    [
        ("web.default.svc.cluster.local", "AAAA"),
        ("empty.default.svc.cluster.local", "A"),
        ("default.svc.cluster.local", "A"),
        ("svc.cluster.local", "A"),
        ("cluster.local", "A"),
        ("_tcp.web.default.svc.cluster.local", "SRV"),
        ("_http._tcp.web.default.svc.cluster.local", "A"),
        ("10.0.96.10.in-addr.arpa", "A"),
    ],
)
def test_a_name_that_exists_without_such_records_is_nodata(name: str, rdtype: str) -> None:
    answer = ask(zone(cluster()), name, rdtype)
    assert answer is not None
    assert answer.rcode == dns.rcode.NOERROR
    assert answer.answer == ()
    assert [rrset.rdtype for rrset in answer.authority] == [dns.rdatatype.SOA]


@pytest.mark.parametrize(
    ("name", "rdtype"),
    [
        ("nothing.default.svc.cluster.local", "A"),
        ("web.other.svc.cluster.local", "A"),
        ("other.svc.cluster.local", "A"),
        ("example.com.default.svc.cluster.local", "A"),
        ("example.com.cluster.local", "AAAA"),
        ("10-244-0-7.db.default.svc.cluster.local", "A"),
        ("_nothing._tcp.web.default.svc.cluster.local", "SRV"),
        ("_http._udp.web.default.svc.cluster.local", "SRV"),
        ("x.gone.default.svc.cluster.local", "A"),
        ("1-2-3-400.default.pod.cluster.local", "A"),
        ("99.0.96.10.in-addr.arpa", "PTR"),
    ],
)
def test_a_name_that_does_not_exist_is_nxdomain(name: str, rdtype: str) -> None:
    answer = ask(zone(cluster()), name, rdtype)
    assert answer is not None
    assert answer.rcode == dns.rcode.NXDOMAIN
    assert [rrset.rdtype for rrset in answer.authority] == [dns.rdatatype.SOA]


@pytest.mark.parametrize("name", ["example.com", "local", "notcluster.local", "4.3.2.1.in-addr.arpa", "."])
def test_names_outside_the_cluster_are_not_answered(name: str) -> None:
    assert ask(zone(cluster()), name) is None


def test_srv_answers_bring_the_addresses_of_their_targets() -> None:
    answer = ask(zone(cluster()), "_http._tcp.db.default.svc.cluster.local", "SRV")
    assert answer is not None
    assert {rrset[0].to_text() for rrset in answer.additional} == {"10.244.0.5", "10.244.0.6"}


def test_headless_answers_begin_with_another_endpoint_each_time() -> None:
    of = zone(cluster())
    firsts = set()
    for _ in range(2):
        answer = ask(of, "db.default.svc.cluster.local")
        assert answer is not None
        firsts.add(answer.answer[0][0].to_text())
    assert firsts == {"10.244.0.5", "10.244.0.6"}


def test_the_index_follows_changes_one_by_one() -> None:
    desired = cluster()
    index = ZoneIndex(desired)
    index.rebuild()
    of = Zone(index=index, domain="cluster.local", networks=("10.0.0.0/8",), own_address="10.244.0.1", serial=1)
    desired.services["default", "web"] = service("web", clusterIP="10.96.0.11")
    index.apply(Change("services", "default", "web"))
    assert texts(ask(of, "11.0.96.10.in-addr.arpa", "PTR")) == {"web.default.svc.cluster.local."}
    assert texts(ask(of, "10.0.96.10.in-addr.arpa", "PTR")) == set()
    desired.endpoint_slices["default", "db-1"] = slice_of("db", {"addresses": ["10.244.0.9"]})
    index.apply(Change("endpointslices", "default", "db-1"))
    assert texts(ask(of, "db.default.svc.cluster.local")) == {"10.244.0.9"}
    assert texts(ask(of, "5.0.244.10.in-addr.arpa", "PTR")) == set()
    for name in ("web", "db", "empty", "early", "gone"):
        del desired.services["default", name]
        index.apply(Change("services", "default", name))
    answer = ask(of, "default.svc.cluster.local")
    assert answer is not None
    assert answer.rcode == dns.rcode.NXDOMAIN
