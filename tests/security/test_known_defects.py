"""Defects of the field that the trusted systems had, each with the tests that hold it off here. The names must exist."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]

DEFECTS: dict[str, tuple[str, ...]] = {
    "subPath and symlink escape (CVE-2017-1002101, CVE-2021-25741)": (
        "integration/test_kubelet_volumes.py::test_a_subpath_cannot_leave_its_volume",
        "integration/test_kubelet_volumes.py::test_a_file_cannot_be_put_outside",
    ),
    "proxy redirect and SSRF (CVE-2022-3294, CVE-2018-1002102)": (
        "integration/test_api_proxy.py::test_redirects_are_handed_on_and_links_lead_through_the_proxy",
        "integration/test_api_proxy.py::test_a_name_means_a_pod_a_service_or_a_node_and_their_ports",
        "integration/test_kubelet_streams.py::test_a_proxy_reaches_the_pods_own_address_and_no_other",
        "unit/proto/test_address.py::test_only_addresses_beyond_a_host_are_reached",
        "security/test_webhook_targets.py::test_no_redirect_is_followed",
        "security/test_webhook_targets.py::test_a_service_leads_to_no_address_that_only_the_master_reaches",
    ),
    "YAML bomb (CVE-2019-11253)": ("security/test_bodies.py::test_a_yaml_bomb_is_refused_by_every_verb",),
    "JSON patch size (CVE-2019-1002100)": (
        "security/test_bodies.py::test_a_json_patch_has_so_many_operations_and_copies_so_much",
    ),
    "open kubelet ports": ("security/test_stolen_node.py::test_the_agents_port_runs_nothing_and_changes_nothing",),
    "a node changing its owner references, labels or taints (CVE-2025-5187)": (
        "security/test_stolen_node.py::test_a_node_changes_no_more_of_its_own_object_than_a_kubelet_may",
        "integration/test_api_node.py::test_a_node_reaches_what_its_pods_use_and_no_more",
    ),
    "MQTT names and topics with wildcards and separators (CVE-2017-7650)": (
        "security/test_broker_identities.py::test_no_other_name_gives_anything_wildcards_and_separators_least",
        "unit/proto/test_topics.py::test_no_wildcard_or_separator_gets_into_a_level",
    ),
    "request smuggling": (
        "security/test_bodies.py::test_no_head_can_be_read_in_two_ways",
        "security/test_bodies.py::test_chunks_that_can_be_read_in_two_ways_end_the_connection",
    ),
    "compression bombs": (
        "security/test_bodies.py::test_compressed_bodies_are_not_unpacked",
        "security/test_webhook_targets.py::test_a_compressed_answer_counts_by_what_comes_out",
        "security/test_streaming_doors.py::test_messages_are_bounded_by_what_comes_out_of_their_compression",
    ),
}
# `cp` traversal (CVE-2019-11246) is kubectl's own: it unpacks a tar that a container made, and no server sees it.


@pytest.mark.parametrize("defect", DEFECTS)
def test_each_known_defect_has_its_tests(defect: str) -> None:
    for one in DEFECTS[defect]:
        file, _, name = one.partition("::")
        assert re.search(rf"^(async )?def {name}\(", (TESTS / file).read_text(), re.MULTILINE), one
