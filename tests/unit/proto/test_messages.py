"""Messages: every kind survives the wire; what does not fit is named."""

import contextlib

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.envelope import Envelope, MalformedMessage
from proto.messages import (
    MESSAGES,
    DesiredIndex,
    Hello,
    IndexEntry,
    InventoryEntry,
    Message,
    ObjectOrder,
    PodStatusReport,
    StreamClose,
    StreamCredit,
    StreamFrame,
    StreamOpen,
    decode,
    encode,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(max_size=8), json_values, max_size=4)


@pytest.mark.parametrize("kind", MESSAGES.values(), ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_every_kind_survives_the_wire(kind: type[Message], data: st.DataObject) -> None:
    message = data.draw(st.from_type(kind) if kind not in _DRAWN else _DRAWN[kind])
    envelope = Envelope.unpack(encode(message, epoch=3, revision=4, uid="u").pack())
    assert decode(envelope) == message
    assert (envelope.epoch, envelope.revision, envelope.uid) == (3, 4, "u")


_entries = st.builds(
    IndexEntry, resource=st.text(), namespace=st.text(), name=st.text(), uid=st.text(), revision=st.integers(0, 2**62)
)
_small = st.integers(0, 2**62)
_DRAWN: dict[type[Message], st.SearchStrategy[Message]] = {
    ObjectOrder: st.builds(
        ObjectOrder,
        resource=st.text(),
        namespace=st.text(),
        name=st.text(),
        object=st.none() | objects,
        sealed=st.none() | st.binary(),
        removed=st.booleans(),
    ),
    DesiredIndex: st.builds(DesiredIndex, entries=st.lists(_entries, max_size=4)),
    Hello: st.builds(
        Hello,
        node=objects,
        sealing_key=st.binary(),
        boot_id=st.text(),
        agent_version=st.text(),
        inventory=st.lists(
            st.builds(
                InventoryEntry,
                resource=st.text(),
                namespace=st.text(),
                name=st.text(),
                uid=st.text(),
                epoch=_small,
                revision=_small,
            ),
            max_size=3,
        ),
    ),
    PodStatusReport: st.builds(
        PodStatusReport, namespace=st.text(), name=st.text(), uid=st.text(), status=objects, terminated=st.booleans()
    ),
    MESSAGES["MirrorPodReport"]: st.builds(
        MESSAGES["MirrorPodReport"], namespace=st.text(), name=st.text(), object=objects | st.none(), uid=st.text()
    ),
    StreamOpen: st.builds(StreamOpen, id=st.text(), kind=st.text(), options=objects, credit=_small),
    StreamFrame: st.builds(StreamFrame, sequence=_small, channel=_small, data=st.binary(), eof=st.booleans()),
    StreamClose: st.builds(StreamClose, error=st.text(), code=_small),
    StreamCredit: st.builds(StreamCredit, bytes=_small),
    **{
        MESSAGES[name]: st.builds(MESSAGES[name], **{field: objects})
        for name, field in (("NodeStatusReport", "status"), ("EventReport", "event"))
    },
    MESSAGES["Heartbeat"]: st.builds(MESSAGES["Heartbeat"], sequence=_small),
    MESSAGES["NodeOrder"]: st.builds(
        MESSAGES["NodeOrder"],
        pod_cidr=st.text(),
        cluster_cidr=st.text(),
        service_cidr=st.text(),
        cluster_dns=st.text(),
        cluster_domain=st.text(),
        node_port_first=_small,
        node_port_last=_small,
        heartbeat_seconds=st.floats(allow_nan=False),
    ),
}


def envelope_of(kind: str, value: object) -> Envelope:
    return Envelope(kind, 0, 0, "", msgpack.packb(value))


def test_an_unknown_kind_is_malformed() -> None:
    with pytest.raises(MalformedMessage, match="Nonsense"):
        decode(envelope_of("Nonsense", {}))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("Leader", {}),
        ("Leader", []),
        ("Leader", {"identity": 1}),
        ("StreamCredit", {"bytes": -1}),
        ("StreamFrame", {"sequence": 0, "channel": 0, "data": "text"}),
        ("DesiredIndex", {"entries": [{"resource": "pods"}]}),
        ("ObjectOrder", {"resource": "pods", "namespace": "", "name": "", "object": {1: 2}}),
        ("ObjectOrder", {"resource": "pods", "namespace": "", "name": "", "removed": "yes"}),
    ],
)
def test_a_wrong_field_is_malformed(kind: str, value: object) -> None:
    with pytest.raises(MalformedMessage):
        decode(envelope_of(kind, value))


@given(st.sampled_from(sorted(MESSAGES)), st.binary(max_size=60))
def test_any_body_decodes_or_is_malformed(kind: str, body: bytes) -> None:
    with contextlib.suppress(MalformedMessage):
        assert isinstance(decode(Envelope(kind, 0, 0, "", body)), MESSAGES[kind])
