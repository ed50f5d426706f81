"""Training items: a photo's view, a prompt drawn from its class's synonyms, and the mask, as tensors of one size."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from core.masks.mask import Rle, decode_rle
from core.photos import read_photo
from core.settings import AugmentSettings
from core.train.augment import Augment, View
from core.train.example import Example
from core.train.feature_cache import FeatureCache


class Batch(NamedTuple):
    """photos: (B, 3, S, S) float in [0, 1], or None where cached activations stand for them. masks: (B, S, S) float in
    [0, 1], the share of a pixel that is covered, rounded for validation. indices: (B,) int64 into the data set.
    activations: what the frozen layers made of the photos. weights: as masks, 0 where the loss must not look."""

    photos: Tensor | None
    prompts: list[str]
    masks: Tensor
    indices: Tensor
    activations: tuple[Tensor, ...] | None
    weights: Tensor | None = None


class PromptedDataset(Dataset):
    """Items of a `Batch`, one at a time.

    What is random (prompt, view, light) comes from (seed, epoch, photo) alone, so it does not depend on workers, order or
    what ran before. `train=False` takes the class's first prompt and the whole photo. others: the share of training items
    that ask for a class which the photo has no label of, with an empty mask for the answer: that a photo was labelled for
    one class is taken to say that it shows no other. With `features`, the activations of a
    view are read from the cache; `views` bounds how many views of a photo there are (0: a new one each epoch), and
    `need_photos=False` leaves the photo itself unread.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        synonyms: dict[str, tuple[str, ...]],
        size_px: int,
        *,
        train: bool,
        augment: AugmentSettings | None = None,
        views: int = 0,
        seed: int = 42,
        others: float = 0.0,
    ) -> None:
        self.examples, self.synonyms, self.size_px = list(examples), synonyms, size_px
        self.train, self.views, self.seed, self.epoch, self.others = train, views, seed, 1, others
        self._labelled = {(example.image_key, example.class_name) for example in examples}
        self.augment = Augment(augment or AugmentSettings())
        self.features: FeatureCache | None = None
        self.need_photos = True

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def view_number(self) -> int:
        """Which of its views a photo shows in this epoch."""
        if not self.train or not self.augment.settings.is_on:
            return 0
        return 1 + (self.epoch - 1) % self.views if self.views else self.epoch

    def view(self, index: int) -> View:
        if self.view_number == 0:
            return View()
        key = int.from_bytes(self.examples[index].image_key.encode()[:16], "big")
        return self.augment.draw(np.random.default_rng((self.seed, self.view_number, key)))

    def question(self, index: int) -> tuple[str, str]:
        """The class and the prompt that is asked for in this epoch."""
        example = self.examples[index]
        if not self.train:
            return example.class_name, self.synonyms[example.class_name][0]
        random = np.random.default_rng((self.seed, self.epoch, index))
        prompts = self.synonyms[example.class_name]
        prompt = prompts[random.integers(len(prompts))]
        absent = [name for name in self.synonyms if (example.image_key, name) not in self._labelled]
        if not absent or random.random() >= self.others:
            return example.class_name, prompt
        other = absent[random.integers(len(absent))]
        return other, self.synonyms[other][random.integers(len(self.synonyms[other]))]

    def photo(self, index: int) -> Tensor:
        """(3, S, S) float in [0, 1]: this epoch's view of the photo."""
        view = self.view(index)
        needed_px = math.ceil(self.size_px / (view.side or 1))
        picture = view.place(read_photo(self.examples[index].photo_path, at_least_px=needed_px), self.size_px)
        lit = self.augment.light(picture, view) if self.view_number else picture
        return torch.from_numpy(lit).permute(2, 0, 1).float() / 255

    def feature_key(self, index: int) -> str:
        """Names the view of the photo: what the cached activations were made from."""
        number = self.view_number
        drawn = f"-{number}-{self.seed}-{self.augment.settings.model_dump_json()}" if number else ""
        return f"{self.examples[index].image_key}-{self.size_px}{drawn}"

    def __getitem__(self, index: int) -> Batch:
        example, (asked, prompt) = self.examples[index], self.question(index)
        there = asked == example.class_name
        coverage = self._placed(index, example.rle) if there else torch.zeros(self.size_px, self.size_px)
        weights = (self._placed(index, example.ignore) < 0.5).float() if there and example.ignore is not None else None
        activations = self.features.read(self.feature_key(index)) if self.features is not None else None
        photo = self.photo(index) if self.need_photos else None
        mask = coverage if self.train else (coverage >= 0.5).float()
        return Batch(photo, [prompt], mask, torch.tensor(index), activations, weights)

    def _placed(self, index: int, rle: Rle) -> Tensor:
        covered = self.view(index).place(decode_rle(rle).astype(np.uint8) * 255, self.size_px)
        return torch.from_numpy(covered).float() / 255


def collate(items: list[Batch]) -> Batch:
    """Stack items into one Batch."""
    photos, prompts, masks, indices, activations, weights = zip(*items, strict=True)
    return Batch(
        None if photos[0] is None else torch.stack(photos),
        [prompt for part in prompts for prompt in part],
        torch.stack(masks),
        torch.stack(indices),
        None if activations[0] is None else tuple(torch.stack(layer) for layer in zip(*activations, strict=True)),
        None
        if all(w is None for w in weights)
        else torch.stack([torch.ones_like(m) if w is None else w for m, w in zip(masks, weights, strict=True)]),
    )
