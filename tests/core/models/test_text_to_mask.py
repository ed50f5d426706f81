"""Grounded SAM and SAM 3 on tiny random checkpoints built here: loading and geometry, not what they find."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers
from transformers import (
    BertConfig,
    BertTokenizer,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoProcessor,
    SamConfig,
    SamModel,
    SamProcessor,
    SwinConfig,
)
from transformers.models.grounding_dino.image_processing_pil_grounding_dino import GroundingDinoImageProcessorPil
from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

from core.errors import CheckpointError
from core.models.grounded_sam import GroundedSam, union
from core.models.sam3 import Sam3
from core.prompts import noun_phrase
from training.runs.scratch import byte_level_tokenizer


@pytest.fixture(scope="module")
def grounded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grounded")
    torch.manual_seed(0)
    vocabulary = [f"[unused{number}]" for number in range(1100)]  # Grounding DINO knows these tokens by their numbers
    for number, token in {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 1012: ".", 1029: "?"}.items():
        vocabulary[number] = token
    vocabulary[200:203] = ["wall", "crack", "tape"]
    tokenizer = BertTokenizer(vocab={token: number for number, token in enumerate(vocabulary)})
    config = GroundingDinoConfig(
        text_config=BertConfig(
            vocab_size=1100,
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=64,
        ),
        backbone_config=SwinConfig(
            image_size=64,
            embed_dim=16,
            depths=[1, 1, 1, 1],
            num_heads=[1, 1, 2, 2],
            window_size=4,
            out_features=["stage2", "stage3", "stage4"],
        ),
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        num_queries=10,
        max_text_len=64,
    )
    GroundingDinoForObjectDetection(config).save_pretrained(folder / "dino")
    images = GroundingDinoImageProcessorPil(size={"shortest_edge": 96, "longest_edge": 160})
    GroundingDinoProcessor(images, tokenizer).save_pretrained(folder / "dino")
    sam = SamConfig(
        vision_config={
            "hidden_size": 32,
            "output_channels": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 64,
            "patch_size": 8,
            "window_size": 4,
            "global_attn_indexes": [0],
            "num_pos_feats": 8,
            "mlp_dim": 32,
        },
        prompt_encoder_config={"hidden_size": 16, "image_size": 64, "patch_size": 8, "mask_input_channels": 4},
        mask_decoder_config={"hidden_size": 16, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 16},
    )
    SamModel(sam).save_pretrained(folder / "sam")
    SamProcessor(SamImageProcessorPil(size={"longest_edge": 64}, pad_size={"height": 64, "width": 64})).save_pretrained(
        folder / "sam"
    )
    return folder


@pytest.mark.parametrize("size_hw", [(90, 150), (64, 64), (200, 40)])
def test_grounded_sam_predicts_at_the_photos_size(grounded, size_hw):
    model = GroundedSam.load(str(grounded / "dino"), str(grounded / "sam"))
    photo = np.random.default_rng(0).integers(0, 255, (*size_hw, 3), np.uint8)
    boxes, scores = model._boxes(photo, "wall crack")
    assert len(boxes) > 0
    assert boxes[:, 0::2].max() <= size_hw[1]
    assert boxes[:, 1::2].max() <= size_hw[0]
    assert scores.tolist() == sorted(scores.tolist(), reverse=True)
    prompts = ["segment wall crack", "segment tape"]
    together = model.predict(photo, prompts)
    for prompt, prediction in zip(prompts, together, strict=True):
        assert (prediction.prompt, prediction.probs.shape, prediction.probs.dtype) == (prompt, size_hw, np.float32)
        assert 0 < prediction.probs.max() <= 1
        assert np.allclose(model.predict(photo, [prompt])[0].probs, prediction.probs, atol=1e-6)


def test_a_box_lands_where_the_photo_has_it(grounded):
    """A known box in, a SAM that fills the box it is given in its own square: the mask fills the box in the photo."""
    model = GroundedSam.load(str(grounded / "dino"), str(grounded / "sam"))
    box, score = torch.tensor([[30.0, 10.0, 120.0, 50.0]]), torch.tensor([0.8])

    class FillsBoxes:
        def get_image_embeddings(self, pixels):
            assert pixels.shape == (1, 3, 64, 64)
            return pixels

        def __call__(self, image_embeddings, input_boxes, multimask_output):
            masks = torch.full((1, input_boxes.shape[1], 1, 64, 64), -20.0)
            for number, (x0, y0, x1, y1) in enumerate(input_boxes[0].round().int().tolist()):
                masks[0, number, 0, y0:y1, x0:x1] = 20
            return SimpleNamespace(pred_masks=masks)

    model.sam = FillsBoxes()
    model._boxes = lambda photo, phrase: (box, score)
    probs = model.predict(np.zeros((80, 160, 3), np.uint8), ["segment crack"])[0].probs
    expected = np.zeros((80, 160), bool)
    expected[10:50, 30:120] = True
    assert probs.max() == pytest.approx(0.8, abs=1e-4)
    assert ((probs > 0.4) ^ expected).sum() <= 2 * (40 + 90)  # one of SAM's pixels is 2.5 of the photo's


def test_no_box_is_a_clean_wall(grounded):
    model = GroundedSam.load(str(grounded / "dino"), str(grounded / "sam"))
    model._boxes = lambda photo, phrase: (torch.zeros(0, 4), torch.zeros(0))
    assert model.predict(np.zeros((9, 7, 3), np.uint8), ["segment crack"])[0].probs.sum() == 0


def test_another_kind_of_checkpoint_is_refused(grounded):
    with pytest.raises(CheckpointError, match="is a sam checkpoint, not grounding-dino"):
        GroundedSam.load(str(grounded / "sam"), str(grounded / "sam"))
    with pytest.raises(CheckpointError, match="sam checkpoint /nowhere cannot be loaded"):
        GroundedSam.load(str(grounded / "dino"), "/nowhere")


def test_union_takes_the_best_of_every_pixel():
    masks = torch.tensor([[[1.0, 0.5, 0.0]], [[0.0, 1.0, 0.0]]])
    assert np.allclose(union(masks, torch.tensor([0.9, 0.6])), [[0.9, 0.6, 0.0]])


def test_an_order_becomes_a_noun_phrase():
    assert noun_phrase("Segment  wall crack") == "wall crack"
    assert noun_phrase("a crack in a segment wall") == "a crack in a segment wall"


@pytest.fixture(scope="module")
def sam3(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sam3")
    torch.manual_seed(0)
    small = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 32}
    layers = {"num_layers": 1}
    config = transformers.Sam3Config(
        vision_config={
            "backbone_config": {
                "model_type": "sam3_vit_model",
                **small,
                "num_hidden_layers": 1,
                "image_size": 56,
                "patch_size": 14,
                "window_size": 2,
                "global_attn_indexes": [0],
                "pretrain_image_size": 56,
            },
            "fpn_hidden_size": 32,
            "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
        },
        text_config={**small, "vocab_size": 600, "num_hidden_layers": 1, "max_position_embeddings": 32, "projection_dim": 32},
        geometry_encoder_config=small | layers,
        detr_encoder_config=small | layers,
        detr_decoder_config=small | layers | {"num_queries": 8},
        mask_decoder_config={"hidden_size": 32, "num_attention_heads": 2},
    )
    transformers.Sam3Model(config).save_pretrained(folder)
    byte_level_tokenizer(["wall crack", "joint tape"]).save_pretrained(folder)
    settings = {"size": {"height": 56, "width": 56}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_processor_type": "Sam3ImageProcessor", **settings}))
    return folder


@pytest.mark.parametrize("size_hw", [(90, 150), (40, 200)])
def test_sam_3_predicts_at_the_photos_size(sam3, size_hw, monkeypatch):
    monkeypatch.setattr("core.models.sam3.INSTANCE_THRESHOLD", 0.0)  # a random model is sure of nothing
    model = Sam3.load(str(sam3))
    photo = np.random.default_rng(0).integers(0, 255, (*size_hw, 3), np.uint8)
    prompts = ["segment wall crack", "segment joint tape"]
    together = model.predict(photo, prompts)
    for prompt, prediction in zip(prompts, together, strict=True):
        assert (prediction.prompt, prediction.probs.shape, prediction.probs.dtype) == (prompt, size_hw, np.float32)
        assert 0 < prediction.probs.max() <= 1
        assert np.allclose(model.predict(photo, [prompt])[0].probs, prediction.probs, atol=1e-6)
    assert model.grid_hw(size_hw) == (16, 16)
    monkeypatch.setattr("core.models.sam3.INSTANCE_THRESHOLD", 1.0)
    assert model.predict(photo, prompts[:1])[0].probs.max() == 0
