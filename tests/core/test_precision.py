from core import precision


def test_bf16_is_chosen_by_measurement(monkeypatch):
    seconds = {0: 5.0, 1: 1.0}
    state = {"now": 0.0, "calls": 0}

    def tick():
        state["calls"] += 1
        pair, end = divmod(state["calls"] - 1, 2)
        if end:
            state["now"] += seconds[pair % 2]
        return state["now"]

    monkeypatch.setattr(precision.time, "perf_counter", tick)
    assert precision.bf16_pays.__wrapped__("cpu")
    seconds.update({0: 1.0, 1: 1.0})
    assert not precision.bf16_pays.__wrapped__("cpu")


def test_it_answers_on_this_machine():
    assert precision.bf16_pays("cpu") in (True, False)
