import copy
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import CLIPSegConfig, CLIPSegForImageSegmentation, CLIPSegProcessor

from core.errors import CheckpointError, ConfigError, RequestError
from core.models.clipseg import PromptSegmenter, attend_by_matmul
from core.models.efficientnet import EfficientNetLite
from core.models.names import COMPACT, PUBLISHED
from core.settings import BranchSettings, DecoderSettings, TrainSettings
from core.train.parameters import parameter_groups
from training.runs.scratch import untrained_segmenter

PROMPTS = ["segment crack", "segment taping area", "segment a long sentence about the wall"]


def test_full_size_counts_and_logits_equal_the_reference(tiny_segmenter):
    config = CLIPSegConfig(vision_config={"patch_size": 16, "image_size": 224}, use_complex_transposed_convolution=True)
    torch.manual_seed(0)
    reference = CLIPSegForImageSegmentation(config).eval()
    segmenter = PromptSegmenter(reference, tiny_segmenter.processor)
    frozen = sum(p.numel() for p in segmenter.parameters() if not p.requires_grad)
    trainable = sum(p.numel() for p in segmenter.parameters() if p.requires_grad)
    assert (frozen, trainable) == (149_620_737, 1_127_009)
    pixel_values, ids = torch.randn(1, 3, 352, 352), torch.tensor([[49406, 10, 11, 49407]])
    with torch.inference_mode():
        expected = reference(input_ids=ids, pixel_values=pixel_values).logits
        text = reference.clip.get_text_features(ids).pooler_output
        assert torch.equal(segmenter.decode(segmenter.encode_image(pixel_values), text), expected)


def test_one_encoding_serves_every_prompt_bit_for_bit(tiny_segmenter):
    pixel_values = torch.randn(1, 3, 352, 352)
    tokens = tiny_segmenter.processor.tokenizer(PROMPTS, padding=True, return_tensors="pt")
    with torch.inference_mode():
        expected = tiny_segmenter.clipseg(**tokens, pixel_values=pixel_values.expand(3, -1, -1, -1)).logits
        activations = tuple(a.expand(3, -1, -1) for a in tiny_segmenter.encode_image(pixel_values))
        assert torch.equal(tiny_segmenter.decode(activations, tiny_segmenter.encode_text(PROMPTS)), expected)


@pytest.mark.parametrize("unfrozen", [0, 1, 2])
def test_cutting_at_the_frozen_layers_changes_nothing(tiny_segmenter, unfrozen):
    segmenter = PromptSegmenter(copy.deepcopy(tiny_segmenter.clipseg), tiny_segmenter.processor)
    pixel_values = torch.randn(2, 3, 352, 352)
    with torch.inference_mode():
        expected = segmenter.encode_image(pixel_values)
    key = segmenter.frozen_key()
    layers = segmenter.clipseg.clip.vision_model.encoder.layers
    for layer in layers[len(layers) - unfrozen :]:
        layer.requires_grad_(True)
    assert segmenter.cut == 3 - unfrozen
    assert (segmenter.frozen_key() == key) == (unfrozen == 0)
    below = segmenter.encode_below(pixel_values)
    assert not any(state.requires_grad for state in below)
    above = segmenter.encode_above(below)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(above, expected, strict=True))
    assert any(state.requires_grad for state in above) == (unfrozen > 0)


def test_matmul_attention_is_the_same_up_to_rounding(tiny_segmenter):
    segmenter = PromptSegmenter(copy.deepcopy(tiny_segmenter.clipseg), tiny_segmenter.processor).double()
    activations, text = segmenter.encode_image(torch.randn(2, 3, 352, 352).double()), torch.randn(2, 64).double()
    results = []
    for _ in range(2):
        logits = segmenter.decode(activations, text)
        segmenter.zero_grad()
        logits.sum().backward()
        results.append((logits.detach(), segmenter.clipseg.decoder.film_mul.weight.grad.clone()))
        attend_by_matmul(segmenter.trained_layers())
    for before, after in zip(*results, strict=True):
        assert (after - before).norm() <= 1e-9 * before.norm()


def test_prompts_are_embedded_once_while_the_text_tower_is_frozen(tiny_segmenter):
    segmenter = PromptSegmenter(copy.deepcopy(tiny_segmenter.clipseg), tiny_segmenter.processor)
    first = segmenter.embed(PROMPTS[:2])
    torch.testing.assert_close(first, segmenter.encode_text(PROMPTS[:2]))
    segmenter.clipseg.clip.text_projection.weight.data.zero_()
    assert torch.equal(segmenter.embed([PROMPTS[1], PROMPTS[0]]), first[[1, 0]])
    segmenter.freeze_backbone(False)
    assert segmenter.embed(PROMPTS[:1]).abs().max() == 0


def test_saved_folder_loads_equal_here_and_in_plain_transformers(tiny_segmenter, tiny_checkpoint):
    again = PromptSegmenter.load(tiny_checkpoint)
    photos = torch.rand(2, 3, 96, 80)
    with torch.inference_mode():
        expected = tiny_segmenter(photos, PROMPTS[:2])
        assert (again(photos, PROMPTS[:2]) - expected).norm() <= 1e-5 * expected.norm()
    ours, theirs = tiny_segmenter.state_dict(), again.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    plain = CLIPSegForImageSegmentation.from_pretrained(tiny_checkpoint)
    assert torch.equal(plain.decoder.film_mul.weight, tiny_segmenter.clipseg.decoder.film_mul.weight)
    assert CLIPSegProcessor.from_pretrained(tiny_checkpoint).tokenizer("segment crack").input_ids


def test_preprocessing_agrees_with_the_processor(tiny_segmenter):
    photo = (torch.rand(3, 40, 50).repeat_interleave(12, 1).repeat_interleave(12, 2) * 255).byte()
    expected = tiny_segmenter.processor(images=photo.permute(1, 2, 0).numpy(), return_tensors="pt").pixel_values
    ours = tiny_segmenter.pixel_values(photo[None].float() / 255)
    assert (ours - expected).abs().max() < 0.02  # the processor rounds to 8 bits after resizing


def test_hub_id_loads_offline_from_the_local_cache(tiny_checkpoint, tmp_path):
    commit = "a" * 40
    repository = tmp_path / "hub" / "models--CIDAS--clipseg-rd64-refined"
    shutil.copytree(tiny_checkpoint, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    code = f"from core.models.clipseg import PromptSegmenter as P; print(P.load({PUBLISHED!r}).clipseg.config.reduce_dim)"
    environment = {"HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1", "PATH": "/usr/bin", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, cwd=Path(__file__).parents[3]
    )
    assert done.stdout.strip() == "64", done.stderr


def test_shipped_checkpoint_is_small_and_loads():
    segmenter = PromptSegmenter.load(COMPACT)
    from core.models.clipseg import COMPACT_FOLDER

    assert sum(file.stat().st_size for file in COMPACT_FOLDER.rglob("*")) <= 12_000_000
    assert segmenter.branch is not None


def test_what_is_no_clipseg_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(CheckpointError, match="bert checkpoint, not CLIPSeg"):
        PromptSegmenter.load(tmp_path)
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        PromptSegmenter.load(tmp_path / "nothing")


def test_long_prompts_are_cut_and_empty_ones_refused(tiny_segmenter):
    long = "segment " + "crack " * 100
    assert tiny_segmenter.is_cut(long)
    assert not tiny_segmenter.is_cut("segment crack")
    assert tiny_segmenter.encode_text([long]).shape == (1, 64)
    with pytest.raises(RequestError, match="prompt is empty"):
        tiny_segmenter.encode_text(["  "])


def test_untrained_branch_changes_nothing(tiny_segmenter):
    fresh = PromptSegmenter(tiny_segmenter.clipseg, tiny_segmenter.processor)
    photos, coarse, text = torch.rand(1, 3, 50, 70), torch.randn(1, 352, 352), torch.randn(1, 64)
    assert fresh.refine(photos, coarse, text) is coarse
    fresh.add_branch(BranchSettings(width=8))
    expected = torch.nn.functional.interpolate(coarse[None], (50, 70), mode="bilinear")[0]
    assert torch.equal(fresh.refine(photos, coarse, text), expected)


def test_only_the_last_used_blocks_are_released_and_learn_slower():
    segmenter = untrained_segmenter(PROMPTS, seed=5, hidden=32, layers=6)
    segmenter.reshape_decoder(DecoderSettings(extract_layers=(1, 2, 4)))  # block 5 reaches no decoder
    frozen = parameter_groups(segmenter, TrainSettings(lr=1e-3))
    assert [p for group in frozen for p in group["params"]] == [p for p in segmenter.parameters() if p.requires_grad]
    segmenter.unfreeze_blocks(2)
    released = {name for name, p in segmenter.clipseg.clip.named_parameters() if p.requires_grad}
    assert {name.split(".")[3] for name in released} == {"3", "4"}
    assert all(name.startswith("vision_model.encoder.layers.") for name in released)
    head, towers = parameter_groups(segmenter, TrainSettings(lr=1e-3, backbone_lr_factor=0.1))
    assert (head["lr"], towers["lr"]) == (1e-3, pytest.approx(1e-4))
    assert len(towers["params"]) == len(released)
    assert len(head["params"]) + len(released) == sum(p.requires_grad for p in segmenter.parameters())
    segmenter(torch.rand(2, 3, 40, 40), PROMPTS[:2]).sum().backward()
    reached = {name for name, p in segmenter.clipseg.clip.named_parameters() if p.grad is not None}
    assert reached == released
    with pytest.raises(ConfigError, match=r"must not exceed the 5 vision blocks in use, got 6"):
        segmenter.unfreeze_blocks(6)


def test_a_branch_with_an_encoder_starts_with_what_imagenet_taught_it_learns_slower_there_and_comes_back(tmp_path):
    segmenter = untrained_segmenter(PROMPTS, seed=5, hidden=32)
    segmenter.add_branch(BranchSettings(width=8, fold=4, encoder="efficientnet_lite0"))
    known = EfficientNetLite()
    known.load_imagenet(segmenter.image_mean.flatten(), segmenter.image_std.flatten())
    for name, value in segmenter.branch.encoder.state_dict().items():
        torch.testing.assert_close(value, known.state_dict()[name])
    photos = torch.rand(2, 3, 50, 70)
    coarse = segmenter.decode(segmenter.encode_image(segmenter.pixel_values(photos)), segmenter.embed(PROMPTS[:2]))
    expected = torch.nn.functional.interpolate(coarse[:, None], (50, 70), mode="bilinear")[:, 0]
    assert torch.equal(segmenter(photos, PROMPTS[:2]), expected)  # untrained, it changes nothing
    head, slow = parameter_groups(segmenter, TrainSettings(lr=1e-3, backbone_lr_factor=0.25))
    assert (slow["lr"], len(slow["params"])) == (2.5e-4, len([*known.parameters()]))
    optimizer = torch.optim.AdamW([head, slow])
    for _ in range(2):  # its last layer is zero: the first step reaches no further
        segmenter(photos, PROMPTS[:2]).square().mean().backward()
        optimizer.step()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in segmenter.branch.encoder.parameters())
    segmenter.save_pretrained(tmp_path, "")
    again = PromptSegmenter.load(tmp_path)
    assert again.branch.config == segmenter.branch.config
    with torch.inference_mode():
        torch.testing.assert_close(again(photos, PROMPTS[:2]), segmenter.eval()(photos, PROMPTS[:2]))
    with pytest.raises(ValueError, match="fold must be 4 with encoder efficientnet_lite0, got 2"):
        BranchSettings(encoder="efficientnet_lite0")


@pytest.mark.parametrize(
    "wanted", [DecoderSettings(), DecoderSettings(reduce_dim=64, extract_layers=(1, 2, 3))], ids=["empty", "the-same"]
)
def test_a_decoder_of_the_checkpoints_own_shape_is_kept(tiny_segmenter, wanted):
    segmenter = untrained_segmenter(PROMPTS, seed=6, hidden=32, layers=4)
    before = segmenter.clipseg.decoder
    assert not segmenter.reshape_decoder(wanted)
    assert segmenter.clipseg.decoder is before


def test_a_decoder_of_another_shape_starts_fresh_and_comes_back_from_disk(tmp_path):
    segmenter = untrained_segmenter(PROMPTS, seed=6, hidden=32, layers=4)
    key = segmenter.frozen_key()
    assert segmenter.reshape_decoder(DecoderSettings(reduce_dim=32, extract_layers=(0, 1, 2, 3)))
    assert segmenter.clipseg.decoder.film_mul.out_features == 32
    assert len(segmenter.clipseg.decoder.layers) == 4
    assert segmenter.frozen_key() != key  # other activations are wanted: a feature cache must not mix them up
    segmenter.save_pretrained(tmp_path, "")
    again = PromptSegmenter.load(tmp_path)
    assert (again.clipseg.config.reduce_dim, again.clipseg.extract_layers) == (32, [0, 1, 2, 3])
    ours, theirs = segmenter.state_dict(), again.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    logits = again(torch.rand(1, 3, 50, 60), PROMPTS[:1])
    assert logits.mean().item() == pytest.approx(-2.0, abs=0.3)  # "rarely", as long as it is untrained
    for layers in ((2, 1), (1, 4), (1, 1)):
        with pytest.raises(ConfigError, match="must rise and lie below 4"):
            segmenter.reshape_decoder(DecoderSettings(extract_layers=layers))


def test_a_checkpoint_from_before_0_2_keeps_its_branch(tiny_segmenter, tiny_checkpoint, tmp_path):
    old = Path(shutil.copytree(tiny_checkpoint, tmp_path / "old"))
    for path in old.glob("branch.*"):
        path.rename(path.with_stem("refiner"))
    loaded = PromptSegmenter.load(old)
    assert loaded.branch is not None
    for name, value in tiny_segmenter.branch.state_dict().items():
        assert torch.equal(loaded.branch.state_dict()[name], value)


def test_a_branch_from_before_0_3_says_nothing_of_folding_and_folds_two_by_two(tiny_segmenter, tiny_checkpoint, tmp_path):
    old = Path(shutil.copytree(tiny_checkpoint, tmp_path / "old"))
    (old / "branch.json").write_text('{"width": 8, "max_side": 128}')
    loaded = PromptSegmenter.load(old)
    assert loaded.branch is not None
    assert loaded.branch.config.fold == 2
    photo = torch.rand(1, 3, 96, 128)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(photo, ["segment crack"]), tiny_segmenter(photo, ["segment crack"]))
