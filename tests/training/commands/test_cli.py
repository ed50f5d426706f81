import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.masks.mask import decode_rle, read_mask_png
from data.intake.preparation import prepare
from data.workspace import Workspace
from training.cli import main

ROOT = Path(__file__).parents[3]


def in_process(capsys, monkeypatch, *arguments) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command line, run in this process."""
    monkeypatch.setattr(sys, "argv", ["drywall-qa", *map(str, arguments)])
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code or 0, *capsys.readouterr()


@pytest.fixture
def run(capsys, monkeypatch):
    """run("inspect", "--json", workspace=...): its stdout, or its stderr where another exit code than 0 is expected."""

    def call(*arguments, workspace: Path, code: int = 0) -> str:
        found, out, err = in_process(capsys, monkeypatch, *arguments, "--workspace", workspace)
        assert found == code, err
        return out if code == 0 else err

    return call


def test_the_command_line_is_a_process_that_ends_with_its_exit_code(tmp_path):
    command = [sys.executable, "-m", "training.cli", "prepare", str(tmp_path / "nowhere"), "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")


def test_the_loop_from_export_to_comparison(raw_export, tiny_checkpoint, tmp_path, run):
    ws = tmp_path / "ws"
    report = json.loads(run("prepare", raw_export, "--json", workspace=ws))
    assert {row["class"] for row in report["classes"]} == {"cracks", "taping"}
    assert report["leaks"] == []
    settings = ["train.epochs=1", "train.size_px=64", f"checkpoint={tiny_checkpoint}"]
    trained = json.loads(run("train", "quick", *(part for s in settings for part in ("--set", s)), "--json", workspace=ws))
    assert set(trained) == {"run", "best", "seconds"}
    assert set(trained["best"]) == {"epoch", "val_miou"}
    scored = json.loads(run("evaluate", trained["run"], "--json", workspace=ws))
    assert {"run", "split", "classes", "overall"} <= set(scored)
    assert {"miou", "dice", "samples"} <= set(scored["classes"]["cracks"])
    figures = json.loads(run("failures", trained["run"], "--json", workspace=ws))["figures"]
    assert figures
    assert all(Path(path).is_file() for path in figures)
    report = json.loads(run("report", trained["run"], "--json", workspace=ws))
    assert [Path(report[kind]).name for kind in ("pdf", "html")] == ["report.pdf", "report.html"]
    assert Path(report["pdf"]).read_bytes().startswith(b"%PDF-")
    assert run("compare", trained["run"], trained["run"], workspace=ws)
    photo = next((raw_export / "cracks" / "train").glob("*.jpg"))
    masks = json.loads(
        run(
            "predict",
            photo,
            "segment wall crack",
            "segment joint tape",
            "--run",
            trained["run"],
            "--out",
            tmp_path,
            "--json",
            workspace=ws,
        )
    )["masks"]
    assert [Path(path).name for path in masks] == [
        f"{photo.stem}__segment_wall_crack.png",
        f"{photo.stem}__segment_joint_tape.png",
    ]
    tiled = json.loads(
        run(
            "predict",
            photo,
            "segment wall crack",
            "--run",
            trained["run"],
            "--tiles",
            "64",
            "--side",
            "192",
            "--flips",
            "--out",
            tmp_path / "tiled",
            "--json",
            workspace=ws,
        )
    )["masks"]
    assert read_mask_png(Path(tiled[0])).shape == read_mask_png(Path(masks[0])).shape
    assert "inference.side_px input should be a multiple of 16, got 100" in run(
        "predict", photo, "segment wall crack", "--side", "100", workspace=ws, code=2
    )
    with Image.open(masks[0]) as mask, Image.open(photo) as image:
        assert (mask.mode, mask.size) == ("L", image.size)
        assert set(np.unique(np.array(mask))) <= {0, 255}


def test_a_folder_of_photos_is_scored_and_a_broken_one_named(raw_export, tiny_checkpoint, tmp_path, run):
    photos = tmp_path / "photos"
    photos.mkdir()
    for path in sorted((raw_export / "cracks" / "train").glob("*.jpg"))[:3]:
        shutil.copy(path, photos)
    (photos / "broken.jpg").write_bytes(b"")
    document = json.loads(
        run(
            "predict",
            photos,
            "segment crack",
            "--checkpoint",
            tiny_checkpoint,
            "--out",
            tmp_path / "masks",
            "--json",
            workspace=tmp_path / "ws",
        )
    )
    assert len(document["masks"]) == len(list((tmp_path / "masks").iterdir())) == 3
    assert "broken.jpg is empty" in document["refused"][0]
    for path in photos.glob("*.jpg"):
        path.write_bytes(b"")
    (photos / "IMG_1.NEF").write_bytes(b"raw")
    command = [photos, "segment crack", "--checkpoint", tiny_checkpoint, "--out", tmp_path / "none"]
    said = run("predict", *command, workspace=tmp_path / "ws", code=1)
    assert "IMG_1.NEF is of a kind" in said
    assert "none of the 5 pictures" in said


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["prepare", "/nowhere"], 2, "/nowhere is neither a folder nor a ZIP archive"),
        (["inspect"], 2, "nothing was imported"),
        (["train"], 2, "there are no labels to freeze"),
        (["train", "--set", "train.lr=x"], 2, "valid number"),
        (["evaluate", "nope"], 2, "run nope is not in this workspace"),
        (["predict", "/nowhere.jpg", "segment crack"], 1, "cannot be read"),
        (["predict", str(ROOT / "README.md"), "segment crack"], 1, "is not a picture"),
        (["predict", str(ROOT / "README.md"), "segment crack", "--threshold", "2"], 2, "must lie in (0, 1), got 2.0"),
        (["export", "--format", "voc"], 2, "format voc is unknown"),
        (["import-labels", "/nowhere", "--format", "cvat"], 2, "/nowhere is not there"),
        (["scale", "1", "--px-per-mm", "2", "--line", "1,2,3,4"], 2, "give either --px-per-mm, or --line"),
        (["scale", "1", "--line", "1,2,3", "--length-mm", "3"], 2, "--line 1,2,3 needs four numbers"),
        (["fly"], 2, "No such command"),
    ],
)
def test_errors_are_one_sentence_with_the_right_exit_code(arguments, code, words, tmp_path, run):
    message = run(*arguments, workspace=tmp_path / "ws", code=code)
    assert words in " ".join(message.split())
    assert "Traceback" not in message


def test_exports_come_back(workspace, store, tmp_path, run):
    run("export", "--format", "coco", "--out", tmp_path / "coco", workspace=workspace.root)
    again = Workspace.open(tmp_path / "again")
    other = again.store
    prepare(tmp_path / "coco", again, keep_source=True)
    before = {(s.image_hash, s.class_name): (s.split, store.label(s.id).rle) for s in store.samples()}
    after = {(s.image_hash, s.class_name): (s.split, other.label(s.id).rle) for s in other.samples()}
    other.close()
    assert before == after
    run("export", "--format", "masks", "--out", tmp_path / "masks", workspace=workspace.root)
    areas = sorted(int(read_mask_png(path).sum()) for path in (tmp_path / "masks").rglob("*.png"))
    assert areas == sorted(int(decode_rle(rle).sum()) for _, rle in before.values())
    run("export", "--format", "cvat", "--out", tmp_path / "cvat", workspace=workspace.root)
    command = ["import-labels", tmp_path / "cvat", "--format", "cvat", "--json", "--dry-run"]
    first = store.samples()[0]
    store.save_label(first.id, np.zeros(first.size_hw, bool), based_on=1, author="ann", tool="drawn")
    dry = json.loads(run(*command, workspace=workspace.root))
    assert [entry["sample"] for entry in dry["changed"]] == [first.id]
    assert (dry["saved"], len(dry["same"]), dry["skipped"]) == ([], len(before) - 1, [])
    said = run("import-labels", tmp_path / "cvat", "--format", "cvat", "--author", "bob", workspace=workspace.root)
    assert "1 labels differ" in " ".join(said.split())
    assert (store.label(first.id).author, store.label(first.id).tool) == ("bob", "imported from CVAT")
    given = run("scale", first.id, "--line", "0,0,30,40", "--length-mm", 25, "--json", workspace=workspace.root)
    assert json.loads(given) == {"sample": first.id, "px_per_mm": 2.0}
    sizes = run("export", "--format", "sizes", "--out", tmp_path, "--json", workspace=workspace.root)
    assert json.loads(sizes)["lines"] == len(before)
    run("export", "--format", "yolo", "--out", tmp_path / "yolo", workspace=workspace.root)
    assert (tmp_path / "yolo" / "classes.txt").read_text() == "cracks\ntaping\n"
    assert len(list((tmp_path / "yolo" / "labels").rglob("*.txt"))) == len({hash_ for hash_, _ in before})


def test_an_import_that_could_use_nothing_fails_and_still_reports(workspace, store, tmp_path, capsys, monkeypatch):
    sample = store.samples()[0]
    height, width = sample.size_hw
    frame = f'<image id="0" name="{sample.file_name}" width="{width}" height="{height}"/>'
    declared = f"<meta><task><labels><label><name>{sample.class_name}</name></label></labels></task></meta>"
    (tmp_path / "a.xml").write_text(f"<annotations>{declared}{frame}</annotations>")
    command = ["import-labels", tmp_path / "a.xml", "--format", "cvat", "--json", "--workspace", workspace.root]
    code, out, err = in_process(capsys, monkeypatch, *command)
    document = json.loads(out)
    assert (code, document["unsaid"], document["saved"]) == (1, [sample.id], [])
    assert "its label of" in document["notes"][0]["text"]
    assert "nothing in" in err
    code, out, _ = in_process(capsys, monkeypatch, *command, "--empty")
    assert (code, json.loads(out)["saved"]) == (0, [sample.id])
    assert not decode_rle(store.label(sample.id).rle).any()


def one_photo(folder: Path, annotations: list, size_wh=(40, 30), stated_wh=(40, 30)) -> Path:
    """FOLDER/raw/cracks/train with one photo and its annotations of category crack."""
    place = folder / "raw" / "cracks" / "train"
    place.mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 255, (*size_wh[::-1], 3), np.uint8)
    Image.fromarray(noise).save(place / "a.png")
    images = [{"id": 1, "file_name": "a.png", "width": stated_wh[0], "height": stated_wh[1]}]
    document = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "crack"}]}
    (place / "_annotations.coco.json").write_text(json.dumps(document))
    return folder / "raw"


SQUARE = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [2, 2, 6, 6], "segmentation": [[2, 2, 8, 2, 8, 8, 2, 8]]}


@pytest.mark.parametrize("json_too", [[], ["--json"]])
def test_an_import_that_refused_everything_reports_and_exits_1(json_too, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("DRYWALL_QA_WORKSPACE", str(tmp_path / "ws"))
    raw = one_photo(tmp_path, [SQUARE], stated_wh=(50, 50))
    code, out, err = in_process(capsys, monkeypatch, "prepare", raw, *json_too)
    assert (code, "no photo of" in err) == (1, True)
    assert "another shape" in out
    if json_too:
        assert json.loads(out)["classes"][0]["refused"] == 1
    shutil.rmtree(raw)
    assert in_process(capsys, monkeypatch, "prepare", one_photo(tmp_path, [SQUARE]), *json_too)[0] == 0
    stranger = tmp_path / "labels.json"
    stranger.write_text((raw / "cracks/train/_annotations.coco.json").read_text().replace("a.png", "stranger.png"))
    for dry in ([], ["--dry-run"]):
        command = ("import-labels", stranger, "--format", "coco", "--class", "crack=cracks", *dry, *json_too)
        code, out, err = in_process(capsys, monkeypatch, *command)
        assert (code, "nothing in" in err) == (1, True)
        assert "no photo of this workspace is called stranger.png" in out
        if json_too:
            assert (len(json.loads(out)["skipped"]), json.loads(out)["saved"]) == (1, [])


def test_what_was_drawn_on_stored_pixels_is_turned_when_told(tmp_path, capsys, monkeypatch):
    raw, exif = one_photo(tmp_path, [SQUARE]), Image.Exif()
    exif[0x0112] = 3
    photo = raw / "cracks/train/a.png"
    Image.open(photo).save(photo, exif=exif)
    workspace = ["--workspace", tmp_path / "ws"]
    assert in_process(capsys, monkeypatch, "prepare", raw, "--exif", "stored", "--json", *workspace)[0] == 0
    opened = Workspace.open(tmp_path / "ws").store
    assert decode_rle(opened.label(1).rle)[22:28, 32:38].all()
    assert opened.label(1).area_px == 36
    opened.close()


def test_a_sample_without_a_label_is_neither_trained_on_nor_scored(raw_export, tiny_checkpoint, tmp_path, capsys, monkeypatch):
    raw = tmp_path / "raw"
    shutil.copytree(raw_export, raw)
    file = raw / "cracks" / "train" / "_annotations.coco.json"
    document = json.loads(file.read_text())
    bad = {"id": 9_000, "image_id": document["images"][0]["id"], "category_id": document["categories"][-1]["id"]}
    document["annotations"] = [a for a in document["annotations"] if a["image_id"] != bad["image_id"]]
    document["annotations"].append({**bad, "bbox": None, "segmentation": [[1, 1]]})
    file.write_text(json.dumps(document))
    workspace = ["--workspace", tmp_path / "ws"]
    code, out, _ = in_process(capsys, monkeypatch, "prepare", raw, "--json", *workspace)
    assert (code, json.loads(out)["no_label_yet"]) == (0, 1)
    settings = ["train.epochs=1", "train.size_px=64", f"checkpoint={tiny_checkpoint}"]
    command = ("train", "quick", *(part for s in settings for part in ("--set", s)), "--json", *workspace)
    code, out, _ = in_process(capsys, monkeypatch, *command)
    assert code == 0
    run_id, store = json.loads(out)["run"], Workspace.open(tmp_path / "ws").store
    (waiting,) = [sample for sample in store.samples() if sample.revision == 0]
    for split in ("train", "val", "test"):
        assert in_process(capsys, monkeypatch, "evaluate", run_id, "--split", split, *workspace)[0] == 0
    assert sorted(store.scores(run_id)["sample_id"]) == [sample.id for sample in store.samples() if sample != waiting]
    for form in ("coco", "masks", "sizes", "review-log"):
        assert in_process(capsys, monkeypatch, "export", "--format", form, "--out", tmp_path / form, *workspace)[0] == 0
    store.close()
