import multiprocessing
import threading
from pathlib import Path

import numpy as np
import pytest

from core.errors import LeaseError, RequestError
from data.store.store import Store


def test_a_sample_goes_to_one_reviewer_at_a_time(filled):
    lease = filled.take(1, "ann")
    assert (lease.until - lease.taken_at).total_seconds() == pytest.approx(900)
    with pytest.raises(LeaseError, match=f"sample 1 is with ann until {lease.until:%H:%M} UTC") as caught:
        filled.take(1, "bob")
    assert (caught.value.reviewer, caught.value.until) == ("ann", lease.until)
    assert filled.take(2, "bob").reviewer == "bob"
    assert set(filled.leases()) == {1, 2}
    assert 3 not in filled.leases()


def test_renewing_keeps_the_time_it_was_taken(filled):
    first = filled.take(1, "ann", minutes=1)
    again = filled.take(1, "ann", minutes=30)
    assert again.taken_at == first.taken_at
    assert again.until > first.until


def test_a_lease_ends_by_time_by_release_and_by_deciding(filled):
    filled.take(1, "ann", minutes=-1)
    assert filled.take(1, "bob").reviewer == "bob"
    filled.release(1, "ann")  # it is bob's by now
    assert filled.leases()[1].reviewer == "bob"
    filled.release(1, "bob")
    assert filled.take(1, "ann").reviewer == "ann"
    assert 0 <= filled.add_review(1, "accepted", "ann").seconds < 10
    assert 1 not in filled.leases()
    assert filled.add_review(2, "accepted", "bob").seconds is None


def test_in_review_follows_from_the_lease(filled):
    filled.take(1, "ann")
    assert filled.sample(1).review_state == "in review"
    assert filled.counts().set_index("review_state")["samples"].to_dict() == {"in review": 1, "to review": 2}
    filled.take(1, "ann", minutes=-1)
    assert filled.sample(1).review_state == "to review"  # the browser was closed; nothing is left behind
    filled.take(1, "ann")
    filled.save_label(1, np.ones((4, 6), bool), based_on=1, author="ann", tool="brush")
    assert filled.sample(1).review_state == "fixed"
    with pytest.raises(RequestError, match="state in review is unknown"):
        filled.add_review(1, "in review", "ann")


def _take_all(path: str, name: str, samples: int, start, won) -> None:
    store = Store(Path(path))
    start.wait()
    for sample_id in range(1, samples + 1):
        try:
            store.take(sample_id, name)
            won.put((sample_id, name))
        except LeaseError:
            continue
    store.close()


def test_two_processes_never_get_the_same_sample(filled, tmp_path):
    context = multiprocessing.get_context("spawn")
    won, start = context.Queue(), context.Barrier(2)
    processes = [
        context.Process(target=_take_all, args=(str(tmp_path / "qa.db"), name, 3, start, won)) for name in ("ann", "bob")
    ]
    for process in processes:
        process.start()
    found = sorted(won.get(timeout=120) for _ in range(3))
    for process in processes:
        process.join(120)
    assert won.empty()
    assert [sample_id for sample_id, _ in found] == [1, 2, 3]
    assert {i: lease.reviewer for i, lease in filled.leases().items()} == dict(found)


def test_twenty_threads_on_one_sample_one_winner(filled):
    winners, barrier = [], threading.Barrier(20)

    def take(name):
        barrier.wait()
        try:
            filled.take(1, name)
            winners.append(name)
        except LeaseError:
            pass

    threads = [threading.Thread(target=take, args=(f"r{i}",)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert winners == [filled.leases()[1].reviewer]
