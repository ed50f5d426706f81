import pytest
import torch
from accelerate.state import AcceleratorState, PartialState

from core.settings import TrainSettings
from core.train import trainer
from core.train.schedule import Plan, cosine_annealing
from core.train.trainer import mixed_precision


def rates(scheduler, optimizer, steps):
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def adam():
    return torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=0.3)


def test_without_warm_up_it_is_torch_cosine_annealing():
    ours, theirs = adam(), adam()
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(theirs, T_max=20)
    assert rates(cosine_annealing(ours, Plan(20, None).total), ours, 20) == pytest.approx(rates(reference, theirs, 20))


def test_warm_up_rises_then_falls():
    optimizer = adam()
    found = rates(cosine_annealing(optimizer, Plan(100, None).total, 0.1), optimizer, 100)
    top = found.index(max(found))
    assert 8 <= top <= 11
    assert found[:top] == sorted(found[:top])
    assert found[top:] == sorted(found[top:], reverse=True)
    assert found[0] < 0.1 * max(found)


def test_a_plan_in_time_ends_at_a_rate_of_0_when_the_time_does():
    optimizer, plan = adam(), Plan(10_000, minutes=10, kept_seconds=100)
    scheduler, found = cosine_annealing(optimizer, plan.total, 0.1), []
    for taken in range(1, 10_000):
        optimizer.step()
        plan.used_seconds = 2.0 * taken if taken < 100 else 200 + 5.0 * (taken - 100)  # another program takes its share later
        scheduler.step()
        found.append(optimizer.param_groups[0]["lr"])
        if plan.share == 1:
            break
    assert plan.used_seconds == pytest.approx(500, abs=5)
    assert found[-1] < 1e-6
    top = found.index(max(found))
    assert top == pytest.approx(25, abs=3)  # a tenth of the steps there would be at the first rate
    assert found[top:] == sorted(found[top:], reverse=True)
    assert plan.total(len(found)) == len(found)


def test_epochs_end_a_run_whose_time_would_allow_more():
    plan = Plan(50, minutes=60)
    assert plan.total(0) == 50
    plan.used_seconds = 1.0
    assert (plan.total(10), plan.share < 0.01) == (50, True)
    assert Plan(50, None).share == 0
    assert Plan(50, 1, used_seconds=0, kept_seconds=61).share == 1  # scoring alone takes longer


def test_asking_what_pays_leaves_the_choice_to_accelerate_open(monkeypatch):
    PartialState(cpu=True)
    monkeypatch.setattr(trainer.torch.cuda, "is_available", lambda: True)  # as with a GPU, whose name accelerate is asked for
    monkeypatch.setattr(trainer, "pays", lambda name, device: True)
    before = dict(AcceleratorState._shared_state)
    assert mixed_precision(TrainSettings(precision="auto")) == "bf16"
    assert AcceleratorState._shared_state == before


def test_a_process_may_train_twice_in_two_number_formats(tiny_segmenter):
    formats = [
        trainer._accelerator(TrainSettings(precision=name), tiny_segmenter).mixed_precision for name in ("no", "bf16", "no")
    ]
    assert formats == ["no", "bf16", "no"]
