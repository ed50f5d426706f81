import pytest
import torch
from accelerate.state import AcceleratorState, PartialState

from core.settings import TrainSettings
from core.train import trainer
from core.train.trainer import cosine_annealing, mixed_precision


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
    assert rates(cosine_annealing(ours, 20), ours, 20) == pytest.approx(rates(reference, theirs, 20))


def test_warm_up_rises_then_falls():
    optimizer = adam()
    found = rates(cosine_annealing(optimizer, 100, 0.1), optimizer, 100)
    top = found.index(max(found))
    assert 8 <= top <= 11
    assert found[:top] == sorted(found[:top])
    assert found[top:] == sorted(found[top:], reverse=True)
    assert found[0] < 0.1 * max(found)


def test_asking_what_pays_leaves_the_choice_to_accelerate_open(monkeypatch):
    PartialState(cpu=True)
    monkeypatch.setattr(trainer.torch.cuda, "is_available", lambda: True)  # as with a GPU, whose name accelerate is asked for
    monkeypatch.setattr(trainer, "pays", lambda name, device: True)
    before = dict(AcceleratorState._shared_state)
    assert mixed_precision(TrainSettings(precision="auto")) == "bf16"
    assert AcceleratorState._shared_state == before
