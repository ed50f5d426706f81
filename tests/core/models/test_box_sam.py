"""SAM and SAM 2 with boxes, on tiny random checkpoints; the geometry against transformers' own processor."""

import json

import numpy as np
import pytest
import torch
from transformers import Sam2Config, Sam2Model, SamConfig, SamModel
from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

from core.errors import CheckpointError
from core.models.box_sam import BoxSam


def tiny_sam() -> SamModel:
    torch.manual_seed(0)
    vision = {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 64,
        "patch_size": 8,
        "output_channels": 16,
        "num_pos_feats": 8,
        "window_size": 2,
        "global_attn_indexes": [1],
        "mlp_dim": 32,
    }
    prompt = {"hidden_size": 16, "image_size": 64, "patch_size": 8, "mask_input_channels": 4}
    decoder = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "mlp_dim": 32, "iou_head_hidden_dim": 16}
    return SamModel(SamConfig(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder))


def tiny_sam2() -> Sam2Model:
    torch.manual_seed(0)
    vision = {
        "backbone_config": {
            "model_type": "sam2_hiera_det_model",
            "hidden_size": 8,
            "num_attention_heads": 1,
            "image_size": [64, 64],
            "blocks_per_stage": [1, 1, 2, 1],
            "embed_dim_per_stage": [8, 16, 32, 64],
            "num_attention_heads_per_stage": [1, 1, 1, 1],
            "window_size_per_stage": [8, 4, 4, 2],
            "global_attention_blocks": [3],
            "window_positional_embedding_background_size": [2, 2],
        },
        "backbone_channel_list": [64, 32, 16, 8],
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
        "fpn_hidden_size": 16,
        "image_size": 64,
    }
    prompt = {"hidden_size": 16, "image_size": 64, "patch_size": 16, "mask_input_channels": 4}
    decoder = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "mlp_dim": 32, "iou_head_hidden_dim": 16}
    return Sam2Model(Sam2Config(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder))


@pytest.fixture(params=[tiny_sam, tiny_sam2], ids=["sam", "sam2"])
def model(request):
    return request.param()


PHOTO = np.random.default_rng(0).integers(0, 256, (48, 80, 3), dtype=np.uint8)


def test_a_saved_checkpoint_masks_inside_its_boxes_alone(model, tmp_path):
    model.save_pretrained(tmp_path)
    sam = BoxSam.load(tmp_path)
    assert not sam(PHOTO, []).any()
    mask = sam(PHOTO, [[4, 6, 30, 20], [50, 10, 20, 30]])
    assert mask.shape == PHOTO.shape[:2]
    assert mask.dtype == bool
    outside = mask.copy()
    outside[6:26, 4:34] = outside[10:40, 50:70] = False
    assert not outside.any()


def test_a_second_box_changes_nothing_about_the_first(model):
    sam = BoxSam(model)
    alone, both = sam(PHOTO, [[4, 6, 30, 20]]), sam(PHOTO, [[4, 6, 30, 20], [50, 10, 20, 30]])
    np.testing.assert_array_equal(alone[:, :40], both[:, :40])


def test_sam_sees_and_answers_as_through_its_own_processor():
    sam = BoxSam(tiny_sam())
    processor = SamImageProcessorPil(
        size={"longest_edge": 64},
        pad_size={"height": 64, "width": 64},
        mask_size={"longest_edge": 16},
        mask_pad_size={"height": 16, "width": 16},
    )
    theirs = processor(PHOTO, return_tensors="pt")
    torch.testing.assert_close(sam.pixel_values(PHOTO), theirs["pixel_values"].float(), atol=1e-5, rtol=1e-5)
    logits = torch.randn(1, 1, 1, 16, 16)  # photo, box, mask
    masks = processor.post_process_masks(
        logits, theirs["original_sizes"], theirs["reshaped_input_sizes"], pad_size={"height": 64, "width": 64}
    )
    torch.testing.assert_close(sam.to_photo(logits[0, :, 0], PHOTO.shape[:2]), masks[0][:, 0])


def test_sam2_answers_where_the_square_says(model):
    sam = BoxSam(model)
    logits = torch.full((1, 16, 16), -9.0)
    inner = sam.inner_hw((48, 80))
    rows, columns = inner[0] // 4, inner[1] // 4
    logits[:, : rows // 2, : columns // 2] = 9.0  # the photo's upper left quarter
    mask = sam.to_photo(logits, (48, 80))[0].numpy()
    assert mask[:20, :36].all()
    assert not mask[28:].any()
    assert not mask[:, 44:].any()


def test_another_model_is_refused_by_name(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip"}), "utf-8")
    with pytest.raises(CheckpointError, match="clip checkpoint, not SAM"):
        BoxSam.load(tmp_path)
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        BoxSam.load(tmp_path / "nowhere")
