import json
import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image

from core.errors import DrywallError, RequestError
from core.models import onnx_export
from core.models.clipseg import PromptSegmenter
from core.models.names import COMPACT
from core.models.onnx_export import OPSET, TOLERANCE, export_onnx
from core.models.predictor import Predictor
from data.synthetic.walls import make_scene

PROMPTS = ["segment crack", "segment joint tape"]


@pytest.fixture(scope="module")
def segmenter():
    """The shipped checkpoint: trained weights, so that differences have the size they have in use."""
    return PromptSegmenter.load(COMPACT)


@pytest.fixture(scope="module")
def exported(segmenter, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out") / "onnx"
    return folder, export_onnx(segmenter, folder, PROMPTS)


def test_every_graph_is_valid_and_close_to_torch(exported):
    folder, differences = exported
    assert set(differences) == {"encoder", "text_encoder", "decoder", "branch"}
    assert max(differences.values()) <= TOLERANCE
    for name in differences:
        model = onnx.load(folder / f"{name}.onnx")
        onnx.checker.check_model(model, full_check=True)
        assert [item.version for item in model.opset_import if item.domain == ""] == [OPSET]
    config = json.loads((folder / "config.json").read_text())
    assert config["graphs"] == {f"{name}.onnx": {"difference_to_torch": value} for name, value in differences.items()}


@pytest.mark.parametrize("size_hw", [(352, 352), (70, 300), (1300, 90)])
def test_the_readmes_code_predicts_as_the_predictor_does(exported, segmenter, size_hw):
    folder, _ = exported
    (code,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    namespace: dict = {}
    exec(code, namespace)  # what a consumer would copy, as it stands in the README
    assert not re.search(r"\btorch\b", code)
    photo = make_scene(3, size_hw, "cracks").photo
    for prediction in Predictor(segmenter).predict(photo, PROMPTS):
        probs = namespace["probabilities"](folder, Image.fromarray(photo), prediction.prompt)
        assert probs.shape == size_hw
        # Pillow rounds the photo resized for the model to 8 bits, torch does not: a small difference stays
        difference = np.abs(probs - prediction.probs)  # Pillow resizes in 8 bits, torch in floats
        assert difference.max() < 0.1
        assert difference.mean() < 2e-3


def test_the_branch_takes_any_size(exported, segmenter):
    session = onnxruntime.InferenceSession(exported[0] / "branch.onnx", providers=["CPUExecutionProvider"])
    coarse, text = torch.randn(1, *segmenter.input_hw), segmenter.encode_text(PROMPTS[:1]).detach()
    for size_hw in [(32, 64), (33, 63), (2, 200), (257, 31)]:
        photos = torch.rand(1, 3, *size_hw)
        (got,) = session.run(None, {"photos": photos.numpy(), "coarse_logits": coarse.numpy(), "text": text.numpy()})
        with torch.no_grad():
            expected = segmenter.refine(photos, coarse, text).numpy()
        assert np.abs(got - expected).max() <= TOLERANCE * max(1, np.abs(expected).max())


def test_known_prompts_and_the_text_graph_agree(exported, segmenter):
    from tokenizers import Tokenizer

    folder, _ = exported
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    session = onnxruntime.InferenceSession(folder / "text_encoder.onnx", providers=["CPUExecutionProvider"])
    known = json.loads((folder / "config.json").read_text())["prompts"]
    for prompt in PROMPTS:
        ids = np.array([tokenizer.encode(prompt).ids])
        (text,) = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        assert np.allclose(text[0], known[prompt], atol=1e-5)


def test_a_graph_that_differs_leaves_nothing_behind(segmenter, tmp_path, monkeypatch):
    encode = PromptSegmenter.encode_image
    calls = []

    def drifting(self, pixel_values):
        calls.append(1)
        return tuple(a + 0.01 * len(calls) for a in encode(self, pixel_values))

    monkeypatch.setattr(PromptSegmenter, "encode_image", drifting)
    with pytest.raises(DrywallError, match=r"encoder\.onnx differs from torch by .* nothing was written"):
        export_onnx(segmenter, tmp_path / "out", PROMPTS)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_and_missing_packages_are_told(segmenter, tmp_path, monkeypatch):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(RequestError, match="is not an empty folder"):
        export_onnx(segmenter, tmp_path, PROMPTS)
    monkeypatch.setattr(onnx_export, "find_spec", lambda name: None)
    with pytest.raises(RequestError, match=r"pip install 'drywall-qa\[onnx\]'"):
        export_onnx(segmenter, Path("nowhere"), PROMPTS)
