import numpy as np
import pytest
from pycocotools.coco import COCO
from scipy.ndimage import distance_transform_edt

from core.masks.mask import decode_rle, read_mask_png
from data.exchange.coco import ANNOTATION_FILE
from data.intake.duplicates import source_stem
from data.intake.raw_exports import read_export
from data.synthetic.export import write_exact_export, write_roboflow_export
from data.synthetic.walls import make_scene


def test_scenes_are_deterministic_and_differ():
    first, again, other = make_scene(5, (96, 128)), make_scene(5, (96, 128)), make_scene(6, (96, 128))
    assert np.array_equal(first.photo, again.photo)
    assert all(np.array_equal(first.masks[name], again.masks[name]) for name in first.masks)
    assert not np.array_equal(first.photo, other.photo)
    assert (first.photo.shape, first.photo.dtype) == ((96, 128, 3), np.uint8)


@pytest.mark.parametrize("contents", ["cracks", "taping", "both", "none"])
def test_contents_are_what_was_asked_for(contents):
    shown = dict.fromkeys(("cracks", "taping"), 0)
    for seed in range(6):
        masks = make_scene(seed, (160, 160), contents).masks
        assert not (masks["cracks"] & masks["taping"]).any()
        for name, mask in masks.items():
            shown[name] += mask.any()
    for name, count in shown.items():
        assert (count >= 5) == (contents in (name, "both"))


def test_cracks_are_one_to_eight_pixels_wide_and_dark():
    for seed in range(5):
        scene = make_scene(seed, (640, 640), "cracks")
        mask = scene.masks["cracks"]
        assert 2 * distance_transform_edt(mask).max() <= 8 + 6  # branches widen where they meet
        near = distance_transform_edt(~mask)
        assert scene.photo[mask].mean() < scene.photo[(near > 4) & (near < 12)].mean()


def test_joints_tell_their_true_band():
    scene = make_scene(3, (200, 200), "taping")
    assert scene.joints
    assert scene.masks["taping"].any()


def test_too_small_is_said():
    with pytest.raises(ValueError, match="at least 64 px"):
        make_scene(0, (32, 200))


def test_exact_export_carries_the_pixel_truth(tmp_path):
    write_exact_export(tmp_path, 9, (2, 1, 1), (96, 96))
    for class_name in ("cracks", "taping"):
        export = read_export(tmp_path / class_name / "train", class_name, "train")
        truth = {f"wall_{seed}.jpg": make_scene(seed, (96, 96)).masks[class_name] for seed in (9_000_000, 9_000_001)}
        assert {i.file_name: decode_rle(i.rle).tolist() for i in export.images} == {k: v.tolist() for k, v in truth.items()}


def test_roboflow_export_has_its_quirks(raw_export, tmp_path):
    write_roboflow_export(tmp_path, 4, cracks=(60, 3), taping=(10, 3), size_hw=(96, 96))
    cracks = COCO(str(tmp_path / "cracks" / "train" / ANNOTATION_FILE))
    taping = COCO(str(tmp_path / "taping" / "train" / ANNOTATION_FILE))
    names = [image["file_name"] for image in cracks.imgs.values()]
    assert len({source_stem(name) for name in names}) < len(names)  # copies of one photo
    assert taping.anns
    assert all(not annotation["segmentation"] for annotation in taping.anns.values())  # boxes only
    lost = [annotation for annotation in cracks.anns.values() if not annotation["segmentation"]]
    assert 0 < len(lost) < len(cracks.anns) / 2
    assert any(not cracks.imgToAnns[number] for number in cracks.imgs)  # unlabelled photos
    export = read_export(tmp_path / "cracks" / "train", "cracks", "train")
    assert export.problems == []
    truth = read_mask_png(tmp_path / "pixel_truth" / "cracks" / f"{names[0].removesuffix('.jpg')}.png")
    assert truth.shape == (96, 96)
