"""ONNX out: a segmenter as graphs that run without torch, left on disk only if they compute what torch computes.

    encoder.onnx       pixel_values (B, 3, S, S) -> activation_0, activation_1, ...: (B, N, D) each
    text_encoder.onnx  input_ids, attention_mask (P, L) int64 -> text (P, E)
    decoder.onnx       activation_0, activation_1, ..., text (B, E) -> coarse_logits (B, S, S)
    branch.onnx        photos (B, 3, H, W) in [0, 1], coarse_logits, text -> logits (B, H, W); only where there is a branch

B, P, L, H and W are free. `config.json` beside them holds what preprocessing needs and the embeddings of known prompts.
"""

import json
import logging
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core.errors import DrywallError, RequestError
from core.models.clipseg import PromptSegmenter

OPSET = 18
TOLERANCE = 1e-4
"""Largest difference to torch that is accepted, as a share of the output's largest magnitude (or of 1, if that is larger)."""
_README = Path(__file__).with_name("onnx_readme.md")


def export_onnx(segmenter: PromptSegmenter, folder: Path, prompts: Sequence[str]) -> dict[str, float]:
    """Write the graphs, `config.json`, the tokenizer and a README to `folder`; returns each graph's difference to torch.

    prompts: embedded into `config.json`, so that a consumer with fixed prompts needs no tokenizer. Every graph is run
    by onnxruntime on inputs of other sizes than it was traced with; differences are shares as in `TOLERANCE`.
    Raises RequestError for a folder in use or missing packages, DrywallError (and leaves nothing) when a graph differs.
    """
    missing = [name for name in ("onnx", "onnxruntime", "onnxscript") if find_spec(name) is None]
    if missing:
        raise RequestError(f"ONNX export needs {', '.join(missing)}; install them with pip install 'drywall-qa[onnx]'")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RequestError(f"{folder} is not an empty folder; name a new one for the ONNX files")
    segmenter = segmenter.eval()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        whole = Path(temporary) / "whole"
        whole.mkdir()
        with torch.no_grad():
            differences = {graph.name: _write_checked(graph, whole) for graph in _graphs(segmenter, prompts)}
            config = _config(segmenter, prompts, differences)
        (whole / "config.json").write_text(json.dumps(config, indent=1) + "\n", "utf-8")
        (whole / "README.md").write_text(_README.read_text("utf-8"), "utf-8")
        segmenter.processor.tokenizer.save_pretrained(whole)
        whole.replace(folder)  # the folder appears whole or not at all
    return differences


@dataclass(frozen=True)
class _Graph:
    """`example` is traced; `other` has other sizes wherever `dynamic` frees an axis, and is compared."""

    name: str
    module: nn.Module
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    example: tuple[Tensor, ...]
    other: tuple[Tensor, ...]
    dynamic: dict[str, dict[int, Any]]


class _Calls(nn.Module):
    """One method of the segmenter as the forward of a module of its own, which is what the exporter takes."""

    def __init__(self, segmenter: PromptSegmenter, call: Any) -> None:
        super().__init__()
        self.segmenter, self.call = segmenter, call

    def forward(self, *inputs: Tensor) -> Any:
        return self.call(self.segmenter, *inputs)


def _graphs(segmenter: PromptSegmenter, prompts: Sequence[str]) -> list[_Graph]:
    random = torch.Generator().manual_seed(0)
    batch = torch.export.Dim("batch", min=1, max=4096)
    pixels = [torch.randn(count, 3, *segmenter.input_hw, generator=random) for count in (2, 1)]
    activations = [segmenter.encode_image(p) for p in pixels]
    tokens = [_tokens(segmenter, ["segment crack", "segment a wall"]), _tokens(segmenter, list(prompts))]
    texts = [segmenter.clipseg.clip.get_text_features(*ids).pooler_output for ids in tokens]
    texts = [texts[0], texts[1][:1]]
    names = tuple(f"activation_{number}" for number in range(len(activations[0])))
    length = torch.export.Dim("length", min=2, max=segmenter.clipseg.config.text_config.max_position_embeddings)
    decoder_inputs = (*names, "text")
    graphs = [
        _Graph(
            "encoder",
            _Calls(segmenter, PromptSegmenter.encode_image),
            ("pixel_values",),
            names,
            (pixels[0],),
            (pixels[1],),
            {"pixel_values": {0: batch}},
        ),
        _Graph(
            "text_encoder",
            _Calls(segmenter, _embed),
            ("input_ids", "attention_mask"),
            ("text",),
            tokens[0],
            tokens[1],
            {key: {0: batch, 1: length} for key in ("input_ids", "attention_mask")},
        ),
        _Graph(
            "decoder",
            _Calls(segmenter, lambda s, *inputs: s.decode(inputs[:-1], inputs[-1])),
            decoder_inputs,
            ("coarse_logits",),
            (*activations[0], texts[0]),
            (*activations[1], texts[1]),
            {key: {0: batch} for key in decoder_inputs},
        ),
    ]
    if segmenter.branch is not None:
        height, width = (torch.export.Dim(name, min=2, max=16384) for name in ("height", "width"))
        photos = [torch.rand(count, 3, *hw, generator=random) for count, hw in ((2, (100, 140)), (1, (64, 231)))]
        coarse = [segmenter.decode(a, text) for a, text in zip(activations, texts, strict=True)]
        graphs.append(
            _Graph(
                "branch",
                _Calls(segmenter, PromptSegmenter.refine),
                ("photos", "coarse_logits", "text"),
                ("logits",),
                (photos[0], coarse[0], texts[0]),
                (photos[1], coarse[1], texts[1]),
                {"photos": {0: batch, 2: height, 3: width}, "coarse_logits": {0: batch}, "text": {0: batch}},
            )
        )
    return graphs


def _tokens(segmenter: PromptSegmenter, prompts: list[str]) -> tuple[Tensor, Tensor]:
    tokens = segmenter.processor.tokenizer(prompts, padding=True, return_tensors="pt")
    return tokens.input_ids, tokens.attention_mask


def _embed(segmenter: PromptSegmenter, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
    return segmenter.clipseg.clip.get_text_features(input_ids, attention_mask=attention_mask).pooler_output


def _write_checked(graph: _Graph, folder: Path) -> float:
    """Export, run what was written, compare. Returns the difference as a share; raises DrywallError over TOLERANCE."""
    import onnxruntime

    path = folder / f"{graph.name}.onnx"
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses torchvision, of which nothing here is made
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's exporter trips over its own deprecations
            torch.onnx.export(
                graph.module.eval(),
                graph.example,
                path,
                input_names=graph.inputs,
                output_names=graph.outputs,
                dynamic_shapes=(tuple(graph.dynamic[name] for name in graph.inputs),),
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        got = session.run(None, {name: t.numpy() for name, t in zip(graph.inputs, graph.other, strict=True)})
    except Exception as error:  # whatever torch's exporter or onnxruntime raise; both have many kinds
        raise DrywallError(
            f"{graph.name}.onnx cannot be made ({str(error).splitlines()[0]}); nothing was written, "
            "try another version of torch or onnxruntime"
        ) from error
    expected = graph.module(*graph.other)
    expected = expected if isinstance(expected, tuple) else (expected,)
    difference = max(_difference(ours, theirs.numpy()) for ours, theirs in zip(got, expected, strict=True))
    if not difference <= TOLERANCE:
        raise DrywallError(
            f"{graph.name}.onnx differs from torch by {difference:.1e} of its largest output, the limit is {TOLERANCE:.0e}; "
            "nothing was written, try another version of onnxruntime or torch"
        )
    return difference


def _difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    if ours.shape != theirs.shape:
        return float("inf")
    return float(np.abs(ours - theirs).max() / max(1.0, np.abs(theirs).max()))


def _config(segmenter: PromptSegmenter, prompts: Sequence[str], differences: dict[str, float]) -> dict[str, Any]:
    return {
        "opset": OPSET,
        "graphs": {f"{name}.onnx": {"difference_to_torch": value} for name, value in differences.items()},
        "input_hw": segmenter.input_hw,
        "image_mean": segmenter.image_mean.flatten().tolist(),
        "image_std": segmenter.image_std.flatten().tolist(),
        "branch_max_side": segmenter.branch.config.max_side if segmenter.branch is not None else None,
        "sure": segmenter.branch.config.sure if segmenter.branch is not None else 0.0,
        "text_length": segmenter.clipseg.config.text_config.max_position_embeddings,
        "prompts": {prompt: segmenter.encode_text([prompt])[0].tolist() for prompt in prompts},
    }
