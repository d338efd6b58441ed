"""Topics: what is made parses back, and no name can leave its level."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.topics import ObjectTopic, Topics, node_user

TOPICS = Topics("c1")
names = st.from_regex(r"[a-z0-9][-a-z0-9.]{0,20}", fullmatch=True)


@given(names, names, st.sampled_from(["pods", "secrets"]), names | st.just(""))
def test_object_topics_parse_back(node: str, name: str, resource: str, namespace: str) -> None:
    assert TOPICS.parse_object(TOPICS.node_object(node, resource, namespace, name)) == ObjectTopic(
        node, resource, namespace, name
    )
    assert TOPICS.parse_object(TOPICS.shared_object(resource, namespace, name)) == ObjectTopic("", resource, namespace, name)


@given(names, st.sampled_from(["hello", "heartbeat", "offline", "status", "pods", "events"]), names)
def test_up_topics_parse_back(node: str, what: str, stream: str) -> None:
    assert TOPICS.parse_up(TOPICS.up(node, what)) == (node, what, "")
    assert TOPICS.parse_up(TOPICS.stream_up(node, stream)) == (node, "streams", stream)
    assert TOPICS.parse_object(TOPICS.up(node, what)) is None


@pytest.mark.parametrize("bad", ["", "+", "#", "a/b", "a+", "a#", "-", "a\0", "a\n", "ü", "$share", "a" * 300, "a b"])
def test_no_wildcard_or_separator_gets_into_a_level(bad: str) -> None:
    makers: list[Callable[[], object]] = [
        lambda: Topics(bad),
        lambda: TOPICS.node_object("n", "pods", "d", bad),
        lambda: TOPICS.node_object("n", bad, "d", "x"),
        lambda: TOPICS.shared_object("services", "d", bad),
        lambda: TOPICS.stream_down("n", bad),
        lambda: TOPICS.up("n", bad),
    ]
    if bad not in ("", "-"):
        makers.append(lambda: TOPICS.node_filter(f"n{bad}"))
    for make in makers:
        with pytest.raises(ValueError):
            make()


def test_the_longest_node_name_has_topics() -> None:
    name = "a" * 253
    assert node_user(name) in TOPICS.node_filter(name)


@pytest.mark.parametrize(
    "topic",
    [
        "", "wherry", "wherry/c1", "wherry/c2/nodes/system:node:n/up/hello", "wherry/c1/nodes/n/up/hello",
        "wherry/c1/nodes/system:node:n/down/hello", "wherry/c1/nodes/system:node:n/up",
        "wherry/c1/nodes/system:node:n/up/hello/more", "wherry/c1/nodes/system:node:n/up/streams",
        "wherry/c1x/nodes/system:node:n/up/hello",
    ],
)  # fmt: skip
def test_foreign_topics_parse_as_none(topic: str) -> None:
    assert TOPICS.parse_up(topic) is None
    assert TOPICS.parse_object(topic) is None


def test_acl_gives_a_node_its_own_topics_only() -> None:
    assert TOPICS.acl_patterns() == [
        "pattern read wherry/c1/shared/#",
        "pattern read wherry/c1/nodes/%u/down/#",
        "pattern write wherry/c1/nodes/%u/up/#",
    ]
