"""Renewed tokens: used at once, written once a day."""

from pathlib import Path

import pytest

from agent.link import renewals
from tests.unit.agent.link.orders import Node, index_with_tokens, node_in, tokens


def mark(node: Node) -> str | None:
    metadata = node.desired.secrets["", "p"].metadata
    return (metadata.labels or {})["mark"] if metadata else None


async def test_a_renewed_token_is_used_at_once_and_not_written(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        await node.receiver.receive([tokens("p", 1, 5), index_with_tokens("p", 1, 5, newest=5)])
        written = node.checkpoint.writes
        await node.receiver.receive([tokens("p", 1, 6), index_with_tokens("p", 1, 6, newest=6)])
        assert mark(node) == "6"
        assert node.checkpoint.writes == written
        assert not node.receiver.missing()
    async with node_in(tmp_path) as node:
        assert mark(node) == "5"
        written = node.checkpoint.writes
        await node.receiver.receive([tokens("p", 1, 6), tokens("p", 1, 7)])
        assert (mark(node), node.checkpoint.writes) == ("7", written)


async def test_it_is_written_when_what_is_on_disk_is_a_day_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with node_in(tmp_path) as node:
        await node.receiver.receive([tokens("p", 1, 5)])
        written = node.checkpoint.writes
        monkeypatch.setattr(renewals, "REWRITE_SECONDS", 0.0)
        await node.receiver.receive([tokens("p", 1, 6)])
        assert node.checkpoint.writes == written + 1
    async with node_in(tmp_path) as node:
        assert mark(node) == "6"


async def test_a_new_leader_s_same_tokens_change_nothing_and_another_pod_s_are_written(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        await node.receiver.receive([tokens("p", 1, 5)])
        await node.receiver.receive([tokens("p", 2, 5, mark="other signature")])
        assert mark(node) == "5"
        written = node.checkpoint.writes
        await node.receiver.receive([tokens("q", 2, 5)])
        assert node.checkpoint.writes == written + 1


async def test_older_tokens_that_are_played_again_bring_nothing_back(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        await node.receiver.receive([tokens("p", 2, 5), index_with_tokens("p", 2, 5, newest=5)])
        await node.receiver.receive([tokens("p", 2, 7), index_with_tokens("p", 2, 7, newest=7)])
        # As the broker may: what was sealed and signed for this node before, of this leader and of the one before it.
        await node.receiver.receive([tokens("p", 2, 5), tokens("p", 2, 6), tokens("p", 1, 9)])
        assert mark(node) == "7"
