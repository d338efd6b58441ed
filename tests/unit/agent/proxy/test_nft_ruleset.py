"""The diff between two states of the table, checked by applying it to a model of the table."""

import re
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.proxy.model import Endpoint, ServicePort
from agent.proxy.nft_rules import SHARD_SLOTS, NftOptions, Slots, base_chains, fragment, owner
from agent.proxy.nft_ruleset import EMPTY, Ruleset
from tests.unit.agent.proxy.model_cases import port

TABLE = "ip t"


class Kernel:
    """As much of nftables as the diff needs; refuses what the kernel would refuse."""

    def __init__(self) -> None:
        self.chains: dict[str, list[str]] = {}
        self.elements: dict[tuple[str, str], str] = {}
        self.sets: set[str] = set()

    def apply(self, commands: list[str]) -> None:
        for command in commands:
            verb, kind, rest = command.split(" ", 2)
            name, _, body = rest.removeprefix(f"{TABLE} ").partition(" ")
            match verb, kind:
                case "add", "chain":
                    self.chains.setdefault(name, [])
                case "add", "set":
                    self.sets.add(name)
                case "add", "rule":
                    for target in re.findall(r"goto ([\w/.-]+)", body):
                        assert target in self.chains, f"{name} goes to {target}, which is not there"
                    for used in re.findall(r"@(clients/[\w/.-]+)", body):
                        assert used in self.sets
                    self.chains[name].append(body)
                case "flush", "chain":
                    self.chains[name].clear()
                case "delete", "chain":
                    assert not self.users(name), f"{name} is still used"
                    del self.chains[name]
                case "delete", "set":
                    assert not any(f"@{name} " in rule for rules in self.chains.values() for rule in rules)
                    self.sets.remove(name)
                case ((("add" | "delete") as what), "element"):
                    for element in body.strip("{} ").split(", "):
                        key, _, value = element.partition(" : ")
                        if what == "add":
                            assert (name, key) not in self.elements, f"{key} is already in {name}"
                            if value.startswith("goto") and "/" in value:
                                assert value.removeprefix("goto ") in self.chains
                            self.elements[name, key] = value
                        else:
                            assert self.elements.pop((name, key)) == value
                case _:
                    raise AssertionError(command)

    def users(self, chain: str) -> list[str]:
        texts = [*self.elements.values(), *(rule for rules in self.chains.values() for rule in rules)]
        return [text for text in texts if re.search(rf"goto {re.escape(chain)}( |,|$)", text)]


endpoints = st.lists(st.builds(Endpoint, st.sampled_from([f"10.244.0.{n}" for n in range(2, 8)]), st.just(80), st.booleans()),
                     max_size=5, unique_by=lambda one: one.address)  # fmt: skip


@st.composite
def ports(draw: st.DrawFn) -> ServicePort:
    every = tuple(draw(endpoints))
    fields: dict[str, Any] = {
        "node_port": draw(st.sampled_from([0, 30001, 30002])),
        "affinity_seconds": draw(st.sampled_from([0, 0, 60])),
        "external_ips": draw(st.sampled_from([(), ("203.0.113.1",)])),
        "internal_local": draw(st.booleans()),
        "external_local": draw(st.booleans()),
        "cluster_endpoints": every,
        "local_endpoints": tuple(one for one in every if one.local),
    }
    return port(draw(st.sampled_from(["a", "b", "c"])), **fields)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(st.one_of(ports(), st.sampled_from(["a", "b", "c"])), max_size=3), max_size=6))
def test_any_sequence_of_changes_leads_to_exactly_the_wanted_table(steps: list[list[ServicePort | str]]) -> None:
    kernel, ruleset, slots = Kernel(), Ruleset(TABLE), Slots()
    for step in steps:
        fragments = {}
        for change in step:
            if isinstance(change, str):
                fragments[owner(port(change).name)] = EMPTY
            else:
                fragments[owner(change.name)] = fragment(change, slots)
        kernel.apply(ruleset.change(fragments))
        assert kernel.elements == ruleset.elements()
        assert {name: tuple(rules) for name, rules in kernel.chains.items()} == ruleset.chains()
        assert kernel.sets == ruleset.sets()


def test_an_endpoint_that_is_replaced_is_only_map_elements() -> None:
    ruleset, slots = Ruleset(TABLE), Slots()
    before = port(endpoints=3)
    ruleset.change({"web": fragment(before, slots)})
    every = (*before.cluster_endpoints[:2], Endpoint("10.244.9.9", 8080, False))
    moved = replace(before, cluster_endpoints=every, local_endpoints=every[:1])
    assert ruleset.change({"web": fragment(moved, slots)}) == [
        "delete element ip t endpoints-tcp-0 { 2 : 10.244.0.4 . 8080 }",
        "delete element ip t hairpins { 10.244.0.4 . 10.244.0.4 }",
        "add element ip t endpoints-tcp-0 { 2 : 10.244.9.9 . 8080 }",
    ]


def test_the_same_state_again_is_no_command() -> None:
    ruleset, slots = Ruleset(TABLE), Slots()
    assert ruleset.change({"web": fragment(port(node_port=30080, external_local=True), slots)})
    assert ruleset.change({"web": fragment(port(node_port=30080, external_local=True), slots)}) == []


def test_slots_are_shared_out_over_shards_and_used_again() -> None:
    slots = Slots()
    taken = [slots.take(f"service/{number}", "tcp") for number in range(SHARD_SLOTS + 1)]
    assert len(set(taken)) == SHARD_SLOTS + 1
    assert {shard for shard, _ in taken} == {"endpoints-tcp-0", "endpoints-tcp-1"}
    assert slots.take("service/5", "tcp") == taken[5]
    slots.release("service/5", "tcp")
    assert slots.take("service/new", "tcp") == taken[5]
    assert slots.take("service/other", "udp") == ("endpoints-udp-0", 0)


def test_the_fixed_chains_are_counted_from_their_text() -> None:
    chains = base_chains(NftOptions(cluster_cidr="10.244.0.0/16", service_cidr="10.96.0.0/16"))
    assert chains["dispatch"] == 2
    assert chains["prerouting"] == chains["output"] == 1
    assert chains["no-endpoints-check"] == 3
    assert base_chains(NftOptions())["no-endpoints-check"] == 2
