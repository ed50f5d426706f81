"""The plan of a run: how many steps it will take, and the learning rate that falls to 0 over them."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


@dataclass
class Plan:
    """As many steps as the epochs hold or, where that is fewer, as fit into the time at the rate measured so far.

    steps: of all epochs. minutes: of the whole run, None for as long as it takes. used_seconds: what is gone of them, by what
    a resumed run did before too. kept_seconds: what has to come after the last step.
    """

    steps: int
    minutes: float | None
    used_seconds: float = 0.0
    kept_seconds: float = 0.0

    @property
    def share(self) -> float:
        """Of the time to train in, what is gone; 0 for a run that has no end in time."""
        if self.minutes is None:
            return 0.0
        seconds = 60 * self.minutes - self.kept_seconds
        return min(self.used_seconds / seconds, 1.0) if seconds > 0 else 1.0

    def total(self, taken: int) -> float:
        """How many steps the run will have taken, after `taken` of them; before the first one every rate is possible."""
        return min(self.steps, max(taken, 1) / self.share) if self.share else self.steps


def cosine_annealing(optimizer: Optimizer, total: Callable[[int], float], warmup: float = 0.0) -> LambdaLR:
    """Cosine annealing to 0 (Loshchilov & Hutter 2017, without restarts) after a linear rise over `warmup` of all steps.

    total: `Plan.total`.
    """

    def factor(step: int) -> float:
        steps = total(step)
        return min(1.0, (step + 1) / (warmup * steps + 1)) * (1 + math.cos(math.pi * min(step / steps, 1.0))) / 2

    return LambdaLR(optimizer, factor)
