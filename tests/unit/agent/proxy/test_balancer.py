"""The userspace mode's turns."""

from collections import Counter

from agent.proxy.balancer import MAX_CLIENTS, Balancer
from agent.proxy.model import Endpoint

A, B, C = (Endpoint(f"10.244.0.{number}", 80, True) for number in (1, 2, 3))


def first(balancer: Balancer, client: str = "x") -> Endpoint:
    endpoint = balancer.order(client)[0]
    balancer.connected(client, endpoint)
    return endpoint


def test_each_endpoint_has_its_exact_share() -> None:
    balancer = Balancer()
    balancer.update((A, B, C), 0)
    assert Counter(first(balancer) for _ in range(300)) == {A: 100, B: 100, C: 100}


def test_the_other_endpoints_follow_as_fallbacks() -> None:
    balancer = Balancer()
    balancer.update((A, B, C), 0)
    assert [balancer.order("x") for _ in range(3)] == [(A, B, C), (B, C, A), (C, A, B)]


def test_a_change_goes_on_with_whose_turn_it_was() -> None:
    balancer = Balancer()
    balancer.update((A, B, C), 0)
    first(balancer)
    balancer.update((A, C), 0)
    assert first(balancer) == C
    balancer.update((), 0)
    assert balancer.order("x") == ()
    balancer.update((B,), 0)
    assert first(balancer) == B


def test_affinity_lasts_its_time_and_moves_when_the_endpoint_goes() -> None:
    now = 0.0
    balancer = Balancer(lambda: now)
    balancer.update((A, B), 10)
    mine = first(balancer, "me")
    assert first(balancer, "you") != mine
    now = 9.0
    assert first(balancer, "me") == mine
    now = 18.0
    assert first(balancer, "me") == mine, "each connection renews it"
    left = B if mine == A else A
    balancer.update((left,), 10)
    assert first(balancer, "me") == left


def test_remembered_clients_are_bounded() -> None:
    balancer = Balancer()
    balancer.update((A, B), 10)
    for number in range(MAX_CLIENTS + 10):
        first(balancer, str(number))
    assert len(balancer._clients) == MAX_CLIENTS
