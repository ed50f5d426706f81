"""Benchmarks: this project's way beside the plain `transformers` way, interleaved A B A B in one process.

The reference is `CLIPSegForImageSegmentation` called as its documentation does: processor, fp32, one repeated image a
prompt. Both sides have the full size (ViT-B/16, 352 px) with random weights, since speed does not depend on them. Figures
are medians and their ratio; `peak` is the share of the machine's measured matrix product, in the format of that side's large
products, that a variant reaches.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPSegConfig, CLIPSegForImageSegmentation, CLIPSegProcessor, ViTImageProcessorPil

from core.errors import RequestError
from core.models.clipseg import PromptSegmenter, attend_by_matmul
from core.models.number_formats import fastest, in_format, pays, product_seconds, quantized
from core.models.predictor import Predictor
from core.progress import Progress, silent
from core.prompts import PUBLISHED_SYNONYMS
from core.settings import BranchSettings, LossSettings
from core.train.feature_cache import FeatureCache
from core.train.losses import SegmentationLoss
from data.synthetic.walls import make_scene
from training.config import load_config
from training.inference.folder import photos_in, score_folder
from training.runs.scratch import byte_level_tokenizer, untrained_segmenter

EPOCHS, TRAIN_SAMPLES, VAL_SAMPLES = 18, 4_588, 982
"""The published schedule."""


@dataclass(frozen=True)
class Row:
    """ratio: how many times faster ours is. *_peak: FLOP/s over those of the machine's measured product, of format `ours_format`."""

    ratio: float
    reference_ms: float
    ours_ms: float
    reference_peak: float | None = None
    ours_peak: float | None = None
    ours_format: str | None = None


@dataclass(frozen=True)
class Size:
    """How large what is timed is. config: what `CLIPSegConfig` takes, the tokenizer's numbers aside. photos: in a folder;
    batch: samples of a training step; product_side: of the square matrices behind the share of the machine's peak; crop: side
    of what the compact model is trained on."""

    config: dict[str, Any]
    photos: int
    batch: int
    product_side: int
    crop: int = 320


PUBLISHED_SIZE = Size({"vision_config": {"patch_size": 16, "image_size": 224}, "text_config": {}}, 64, 8, 2048)
"""Full size: ViT-B/16."""


class Bench:
    """Both sides of every comparison, made once. rounds: how often each side is timed after one round to warm up."""

    def __init__(self, rounds: int = 5, size: Size = PUBLISHED_SIZE) -> None:
        torch.manual_seed(0)
        self.rounds, self.size = rounds, size
        prompts = [prompt for synonyms in PUBLISHED_SYNONYMS.values() for prompt in synonyms]
        tokenizer = byte_level_tokenizer(prompts)
        special = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
        config = CLIPSegConfig(
            **size.config | {"text_config": size.config["text_config"] | special}, use_complex_transposed_convolution=True
        )
        images = ViTImageProcessorPil(
            size={"height": 352, "width": 352}, image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225]
        )
        self.reference = CLIPSegForImageSegmentation(config).eval()
        self.processor = CLIPSegProcessor(images, tokenizer)
        self.prompts = prompts
        self.segmenter = PromptSegmenter(self.reference, self.processor).eval()
        self.by_format = {name: in_format(self.segmenter, name if pays(name) else "fp32") for name in ("bf16", "int8")}
        self.photo = make_scene(1, (640, 640)).photo
        self._trained: tuple[Row, Row, Row] | None = None
        self.peaks = {name: _matmul_flops(name, size.product_side) for name in product_seconds()}

    # -- inference -------------------------------------------------------------------------------------------------

    def _documented(self, prompts: list[str]) -> torch.Tensor:
        """The documentation's way: (P, 352, 352) logits."""
        images = [Image.fromarray(self.photo)] * len(prompts)
        inputs = self.processor(text=prompts, images=images, padding=True, return_tensors="pt")
        with torch.inference_mode():
            return self.reference(**inputs).logits

    @staticmethod
    def _ours(segmenter: PromptSegmenter, photo: np.ndarray, prompts: list[str]) -> torch.Tensor:
        with torch.inference_mode():
            pixels = torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 255
            return segmenter.look(pixels, segmenter.embed(prompts))

    def latency_1x1_fp32(self) -> Row:
        """One photo, one prompt, fp32. The logits for the same pixels are bit-equal, which is checked first."""
        inputs = self.processor(text=self.prompts[:1], images=[Image.fromarray(self.photo)], return_tensors="pt")
        with torch.inference_mode():
            expected = self.reference(**inputs).logits
            found = self.segmenter.decode(
                self.segmenter.encode_image(inputs.pixel_values), self.segmenter.encode_text(self.prompts[:1])
            )
        if not torch.equal(expected.reshape(found.shape), found):
            raise AssertionError("logits differ from the reference's")
        return self._latency("fp32", 1)

    def latency_1x1_bf16(self) -> Row:
        """One photo, one prompt, in bf16 where that pays and passes the check."""
        return self._latency("bf16", 1)

    def latency_1x1_int8(self) -> Row:
        """One photo, one prompt, the vision layers' products in int8 where that pays and passes the check."""
        return self._latency("int8", 1)

    def latency_1x5_bf16(self) -> Row:
        return self._latency("bf16", 5)

    def latency_1x5_int8(self) -> Row:
        return self._latency("int8", 5)

    def _latency(self, name: str, count: int) -> Row:
        """In fp32 where the format does not pay here."""
        segmenter, prompts = self.by_format.get(name, self.segmenter), self.prompts[:count]

        def reference() -> Any:
            return self._documented(prompts)

        def ours() -> Any:
            return self._ours(segmenter, self.photo, prompts)

        return self._compare(reference, ours, name if segmenter is not self.segmenter else "fp32")

    def folder_scoring(self) -> Row:
        """A folder of 640x640 JPEGs to PNG masks on disk, whole pipeline, a photo, in the format that the check chose."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for seed in range(self.size.photos):
                Image.fromarray(make_scene(seed, (640, 640)).photo).save(folder / f"{seed}.jpg", quality=90)
            paths, predictor, prompt = photos_in(folder), Predictor(in_format(self.segmenter, fastest())), self.prompts[0]

            def reference() -> None:
                for path in paths:
                    with Image.open(path) as image:
                        rgb = image.convert("RGB")
                    inputs = self.processor(text=[prompt], images=[rgb], padding=True, return_tensors="pt")
                    with torch.inference_mode():
                        logits = self.reference(**inputs).logits.reshape(1, 1, 352, 352)
                    full = F.interpolate(logits, rgb.size[::-1], mode="bilinear", align_corners=False)[0, 0]
                    mask = (full.sigmoid() >= 0.5).numpy().astype(np.uint8) * 255
                    Image.fromarray(mask).save(folder / f"reference_{path.stem}.png")

            def ours() -> None:
                for _ in score_folder(paths, predictor, [prompt], [0.5], folder / "ours"):
                    pass

            def one_by_one() -> None:  # the counter sees nothing of other threads
                for _ in paths:
                    predictor.predict(self.photo, [prompt])

            return self._compare(reference, ours, predictor.number_format, per=self.size.photos, counted=one_by_one)

    # -- training --------------------------------------------------------------------------------------------------

    def train_epoch_cached(self) -> Row:
        """A training step of a batch with the frozen backbone: forward, backward, step; ours from cached activations."""
        return self._training()[0]

    def published_schedule(self) -> Row:
        """18 epochs of 4,588 samples with validation on 982, filling the cache included, from measured rates; in hours."""
        step, fill, validation = self._training()
        batches, val_batches = TRAIN_SAMPLES / self.size.batch, VAL_SAMPLES / self.size.batch
        reference = EPOCHS * (batches * step.reference_ms + val_batches * validation.reference_ms)
        filling = (TRAIN_SAMPLES + VAL_SAMPLES) / self.size.batch * fill.ours_ms
        ours = filling + EPOCHS * (batches * step.ours_ms + val_batches * validation.ours_ms)
        return Row(reference / ours, reference, ours)

    def _training(self) -> tuple[Row, Row, Row]:
        """Rows of a batch: training step, filling the cache (against encoding in fp32), validation."""
        if self._trained is not None:
            return self._trained
        bf16 = pays("bf16")
        loss_of = SegmentationLoss(LossSettings())
        batch = self.size.batch
        photos, masks = torch.rand(batch, 3, 352, 352), (torch.rand(batch, 352, 352) > 0.95).float()
        prompts = [self.prompts[number % len(self.prompts)] for number in range(batch)]
        tokens = self.processor.tokenizer(prompts, padding=True, return_tensors="pt")
        ours = PromptSegmenter(_copy(self.reference), self.processor)
        attend_by_matmul(ours.trained_layers())
        small = in_format(ours, "bf16" if bf16 else "fp32")
        both = [self.reference.decoder, ours.clipseg.decoder]
        optimizers = [torch.optim.AdamW(decoder.parameters(), lr=1e-4) for decoder in both]
        pixel_values = self.segmenter.pixel_values(photos)

        def reference_step(train: bool = True) -> None:
            with torch.set_grad_enabled(train):
                loss = loss_of(self.reference(**tokens, pixel_values=pixel_values).logits, masks)
            if train:
                loss.backward()
                optimizers[0].step()
                optimizers[0].zero_grad()

        with tempfile.TemporaryDirectory() as folder:
            cache = FeatureCache(Path(folder), "bench", (3, 485, self.reference.config.vision_config.hidden_size), 10**12)

            def fill() -> None:
                with torch.inference_mode():
                    below = small.encode_below(small.pixel_values(photos))
                for row in range(batch):
                    cache.write(str(row), tuple(layer[row] for layer in below))

            def encode() -> None:
                with torch.inference_mode():
                    self.segmenter.encode_image(pixel_values)

            def our_step(train: bool = True) -> None:
                entries = [cache.read(str(row)) for row in range(batch)]
                below = tuple(torch.stack(layer).to(small.dtype) for layer in zip(*entries, strict=True))
                with torch.set_grad_enabled(train), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                    logits = ours(None, prompts, below if bf16 else tuple(layer.float() for layer in below))
                loss = loss_of(logits, masks)
                if train:
                    loss.backward()
                    optimizers[1].step()
                    optimizers[1].zero_grad()

            kind = "bf16" if bf16 else "fp32"
            filled = self._compare(encode, fill, kind)
            step = self._compare(reference_step, our_step, kind)
            validation = self._compare(lambda: reference_step(False), lambda: our_step(False), kind)
        self._trained = step, filled, validation
        return self._trained

    def train_step_compact(self) -> Row:
        """A step of `recommended` on the compact model: forward, backward, AdamW; the reference as it was in 0.2: a square of
        352 px, a branch that begins at half resolution, clDice by max pooling at full resolution."""
        recipe = load_config("recommended")
        before = untrained_segmenter(self.prompts, 0, side_px=352)
        before.add_branch(BranchSettings(width=24, fold=2))
        now = untrained_segmenter(self.prompts, 0)
        assert recipe.model.branch is not None
        now.add_branch(recipe.model.branch)
        pixel_terms, terms = SegmentationLoss(recipe.loss.changed(cldice=0.0)), SegmentationLoss(recipe.loss)
        batch, crop = self.size.batch, self.size.crop
        photos, masks = torch.rand(batch, 3, crop, crop), torch.zeros(batch, crop, crop)
        masks[:, :, crop // 3 : crop // 3 + 8] = 1
        prompts = [self.prompts[number % len(self.prompts)] for number in range(batch)]

        def losses_before(logits: torch.Tensor) -> torch.Tensor:
            return pixel_terms(logits, masks) + recipe.loss.cldice * _pooled_cldice(logits, masks, recipe.loss.cldice_steps)

        def stepping(segmenter: PromptSegmenter, loss_of: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[], None]:
            attend_by_matmul(segmenter.trained_layers())
            optimizer = torch.optim.AdamW([p for p in segmenter.train().parameters() if p.requires_grad], lr=1e-4)

            def step() -> None:
                loss_of(segmenter(photos, prompts)).backward()
                optimizer.step()
                optimizer.zero_grad()

            return step

        return self._compare(
            stepping(before, losses_before), stepping(now, lambda logits: terms(logits, masks)), "fp32", per=batch
        )

    # -- variants that were tried ------------------------------------------------------------------------------------

    def attention_kernel(self) -> Row:
        """A cached training step in ours' format: the fused kernel (reference) beside plain matrix products (ours)."""
        bf16 = pays("bf16")
        sides = []
        for matmul in (False, True):
            side = PromptSegmenter(_copy(self.reference), self.processor)
            if matmul:
                attend_by_matmul(side.trained_layers())
            sides.append(side)
        batch, config = self.size.batch, self.reference.config
        kind = torch.bfloat16 if bf16 else torch.float32
        below = tuple(torch.randn(batch, 485, config.vision_config.hidden_size, dtype=kind) for _ in range(3))
        text = torch.randn(batch, config.projection_dim)

        def step(segmenter: PromptSegmenter) -> None:
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                logits = segmenter.decode(below, text)
            logits.mean().backward()
            segmenter.zero_grad()

        name = "bf16" if bf16 else "fp32"
        return self._compare(lambda: step(sides[0]), lambda: step(sides[1]), name, name)

    def torch_compile(self) -> Row:
        """One photo, one prompt: ours as it is (reference) beside ours through torch.compile (ours), compiling left out."""
        small = self.by_format["bf16"]
        compiled = torch.compile(lambda pixels: small.encode_image(pixels))
        pixels = small.pixel_values(torch.rand(1, 3, 352, 352))

        def run(encode: Callable[[torch.Tensor], Any]) -> None:
            with torch.inference_mode():
                encode(pixels)

        name = "bf16" if pays("bf16") else "fp32"
        return self._compare(lambda: run(small.encode_image), lambda: run(compiled), name, name)

    # -- timing ----------------------------------------------------------------------------------------------------

    def _compare(
        self,
        reference: Callable[[], Any],
        ours: Callable[[], Any],
        ours_format: str,
        reference_format: str = "fp32",
        per: int = 1,
        counted: Callable[[], Any] | None = None,
    ) -> Row:
        """Medians over the rounds, interleaved; work of `per` units is divided by it. counted: does the products of ours."""
        flops = []
        for side in (reference, counted or ours):
            with FlopCounterMode(display=False, custom_mapping=_COUNTED) as counter:
                side()
            flops.append(counter.get_total_flops())
        seconds: list[list[float]] = [[], []]
        for _ in range(self.rounds):
            for place, side in enumerate((reference, ours)):
                began = time.perf_counter()
                side()
                seconds[place].append(time.perf_counter() - began)
        a, b = (statistics.median(times) for times in seconds)
        return Row(
            a / b,
            a * 1e3 / per,
            b * 1e3 / per,
            flops[0] / a / self.peaks[reference_format],
            flops[1] / b / self.peaks[ours_format],
            ours_format,
        )


NAMES = (
    "latency_1x1_fp32",
    "latency_1x1_bf16",
    "latency_1x1_int8",
    "latency_1x5_bf16",
    "latency_1x5_int8",
    "folder_scoring",
    "train_epoch_cached",
    "published_schedule",
    "train_step_compact",
    "attention_kernel",
    "torch_compile",
)


def run_bench(names: list[str], rounds: int, on_progress: Progress = silent, size: Size = PUBLISHED_SIZE) -> dict[str, Any]:
    """The document of `drywall-qa bench --json`. names: some of NAMES, or none for all. Raises RequestError."""
    unknown = set(names) - set(NAMES)
    if unknown:
        raise RequestError(f"benchmark {', '.join(sorted(unknown))} is unknown; choose from {', '.join(NAMES)}")
    chosen, bench = names or list(NAMES), Bench(rounds, size)
    rows = {}
    for done, name in enumerate(chosen):
        on_progress(name, done, len(chosen))
        rows[name] = asdict(getattr(bench, name)())
    return {
        "ratios": rows,
        "machine": {
            "threads": torch.get_num_threads(),
            "matmul_gflops": {name: flops / 1e9 for name, flops in bench.peaks.items()},
            "cpu": torch.backends.cpu.get_cpu_capability(),
            "torch": torch.__version__,
        },
    }


def _product_flops(inputs: torch.Size, *_: Any, out_shape: torch.Size, **__: Any) -> int:
    return 2 * inputs.numel() * out_shape[-1]


def _convolution_backward_flops(
    gradient: torch.Size, inputs: torch.Size, weight: torch.Size, *arguments: Any, out_shape: Any, **__: Any
) -> int:
    """As many for each gradient as forward. torch's own count takes a depthwise convolution's weights for dense ones."""
    *_, transposed, _, _, wanted = arguments  # stride and the rest before; output padding and groups between
    return 2 * (inputs if transposed else gradient).numel() * weight[1:].numel() * sum(wanted[:2])


_COUNTED = {torch.ops.quantized.linear_dynamic: _product_flops, torch.ops.aten.convolution_backward: _convolution_backward_flops}
"""What the counter does not know of itself, or counts wrongly."""


def _pooled_cldice(logits: torch.Tensor, target: torch.Tensor, steps: int) -> torch.Tensor:
    """Soft clDice loss as published (Shit et al. 2021): every erosion and dilation a max pooling. Shapes (B, H, W)."""

    def erode(mask: torch.Tensor) -> torch.Tensor:
        return -torch.maximum(F.max_pool2d(-mask, (3, 1), 1, (1, 0)), F.max_pool2d(-mask, (1, 3), 1, (0, 1)))

    def skeleton(mask: torch.Tensor) -> torch.Tensor:
        found = F.relu(mask - F.max_pool2d(erode(mask), 3, 1, 1))
        for _ in range(steps):
            mask = erode(mask)
            removed = F.relu(mask - F.max_pool2d(erode(mask), 3, 1, 1))
            found = found + F.relu(removed - found * removed)
        return found

    probs, true = logits.sigmoid()[:, None], target[:, None]
    shares = []
    for line, mask in ((skeleton(probs), true), (skeleton(true), probs)):
        shares.append(((line * mask).sum((1, 2, 3)) + 1) / (line.sum((1, 2, 3)) + 1))
    return (1 - 2 * shares[0] * shares[1] / (shares[0] + shares[1])).mean()


def _copy(clipseg: CLIPSegForImageSegmentation) -> CLIPSegForImageSegmentation:
    again = CLIPSegForImageSegmentation(clipseg.config).eval()
    again.load_state_dict(clipseg.state_dict())
    return again


def _matmul_flops(name: str, side: int) -> float:
    """FLOP/s of the best of several square products."""
    rows, product = torch.randn(side, side), nn.Linear(side, side, bias=False)
    if name == "bf16":
        rows, product = rows.bfloat16(), product.bfloat16()
    multiply = quantized(nn.Sequential(product)) if name == "int8" else product
    best = float("inf")
    with torch.inference_mode():
        for _ in range(4):
            began = time.perf_counter()
            multiply(rows)
            best = min(best, time.perf_counter() - began)
    return 2 * side**3 / best
