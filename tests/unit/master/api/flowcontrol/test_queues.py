"""Fair queues: turns, bounds, time."""

from master.api.flowcontrol.queues import FairQueues, Waiter


def queues(per_user: int = 10, in_all: int = 100) -> FairQueues[int]:
    return FairQueues(per_user=per_user, in_all=in_all)


def served(fair: FairQueues[int]) -> list[str]:
    found = []
    while (waiter := fair.pop()) is not None:
        found.append(f"{waiter.user}{waiter.payload}")
    return found


def test_users_take_turns_and_each_user_is_served_in_order() -> None:
    fair = queues()
    for number in range(4):
        fair.push(Waiter("flood", 0.0, number))
    fair.push(Waiter("quiet", 0.0, 0))
    fair.push(Waiter("other", 0.0, 0))
    assert served(fair) == ["flood0", "quiet0", "other0", "flood1", "flood2", "flood3"]
    assert len(fair) == 0


def test_a_users_queue_is_bounded_and_others_still_find_room() -> None:
    fair = queues(per_user=2)
    waiters = [Waiter("flood", 0.0, number) for number in range(3)]
    assert [fair.push(waiter) for waiter in waiters] == [None, None, waiters[2]]
    assert fair.push(Waiter("quiet", 0.0, 0)) is None


def test_when_all_is_full_the_longest_queue_pays_for_a_newcomer() -> None:
    fair = queues(in_all=4)
    flood = [Waiter("flood", 0.0, number) for number in range(4)]
    for waiter in flood:
        fair.push(waiter)
    assert fair.push(Waiter("quiet", 0.0, 0)) is flood[3]
    assert fair.push(Waiter("quiet", 0.0, 1)) is flood[2]
    last = Waiter("quiet", 0.0, 2)
    assert fair.push(last) is last
    assert served(fair) == ["flood0", "quiet0", "flood1", "quiet1"]


def test_who_waits_too_long_is_taken_out_oldest_first() -> None:
    fair = queues()
    for number, since in enumerate((1.0, 2.0, 3.0)):
        fair.push(Waiter(f"user{number}", since, number))
    assert [waiter.payload for waiter in fair.expired(2.5)] == [0, 1]
    assert fair.oldest == 3.0
    assert served(fair) == ["user22"]
    assert fair.oldest is None


def test_who_went_away_is_forgotten_wherever_it_stands() -> None:
    fair = queues()
    waiters = [Waiter("a", 0.0, number) for number in range(3)]
    for waiter in waiters:
        fair.push(waiter)
    fair.discard(waiters[1])
    fair.discard(waiters[1])
    assert served(fair) == ["a0", "a2"]
