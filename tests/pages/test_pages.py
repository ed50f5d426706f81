"""Every page, run by Streamlit's own AppTest on a real workspace."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from core.masks.mask import decode_rle, encode_rle
from core.metrics.overlap import count_pixels, dice, iou, precision, recall
from core.metrics.table import HEADLINE, TITLES
from core.models.predictor import Predictor
from core.sizes.band_size import band_size
from data.exchange.sizes_table import sizes_table
from data.store.records import ImageRecord, NewSample, Score
from training.review.attention import attention
from training.review.queue import review_queue
from training.runs.opened import OpenedRun
from training.scoring.stored_probs import mask_at, probs_png, read_probs

ROOT = Path(__file__).parents[2]
NAMES = sorted(path.stem for path in (ROOT / "pages").glob("*.py") if path.stem != "__init__")


TO_DO = {
    "before_after": "drywall-qa prepare RAW_DIR",
    "data_report": "drywall-qa prepare RAW_DIR",
    "exchange": "drywall-qa prepare RAW_DIR",
    "failures": "Launch one on the Train page",
    "fix_masks": "drywall-qa prepare RAW_DIR",
    "metrics": "Launch one on the Train page",
    "overview": "drywall-qa prepare RAW_DIR",
    "prompt_lab": "Upload a photo",
    "queue": "drywall-qa prepare RAW_DIR",
    "reviewers": "Begin on the Queue page",
    "people": "Nobody signs in here",
    "site_report": "Launch one on the Train page",
    "train": "drywall-qa prepare RAW_DIR",
}


@pytest.fixture
def workspace(trained_workspace):
    return trained_workspace


@pytest.fixture
def trained(trained_once, workspace):
    """The pages see a workspace with one finished and scored run; its id."""
    return trained_once[1]


@pytest.mark.parametrize("name", NAMES)
def test_page_runs_without_an_error(trained, show, name):
    app = show(name)
    assert not app.exception
    assert not app.error
    assert app.title[0].value


@pytest.mark.parametrize("name", NAMES)
def test_page_of_an_empty_workspace_says_what_to_do(tmp_path, on_the_pages, show, name):
    on_the_pages(tmp_path / "empty")
    app = show(name)
    assert not app.exception
    assert not app.error
    (told,) = app.info
    assert TO_DO[name] in told.value
    assert not app.success  # nothing is done yet


def test_the_overview_counts_what_is_there_and_opens_what_wants_attention(trained, store, show):
    app = show("overview")
    samples = store.samples()
    metrics = {metric.label: metric.value for metric in app.metric}
    by_class = {name.capitalize(): str(sum(s.class_name == name for s in samples)) for name in ("cracks", "taping")}
    assert metrics == {"Samples": str(len(samples)), **by_class, "Reviewed": f"0 of {len(samples)}", "Runs": "1"}
    table = app.dataframe[0].value
    assert {split: int(table[split].sum()) for split in table} == dict(Counter(s.split for s in samples))
    assert any(f"`{trained}` · finished" in text.value for text in app.markdown)
    assert [text.value.partition("\n")[0].strip() for text in app.markdown][: len(attention(store))] == [
        f"**{item.title}**" for item in attention(store)
    ]
    app.button(key=f"failures_{trained}").click().run()
    assert app.title[0].value == "Failures"
    assert not app.exception


def test_gallery_shows_the_worst_first(trained, store, show):
    app = show("failures")
    scores = store.scores(trained, "test").sort_values("iou")
    shown = [m.value for m in app.markdown if m.value.startswith(":small[**IoU")]
    assert shown[0].startswith(f":small[**IoU {scores['iou'].iloc[0]:.3f}")
    assert len(shown) == min(12, len(scores))


def test_a_link_opens_the_sample_and_the_threshold_follows(trained, workspace, store, show):
    sample = str(store.scores(trained, "test")["sample_id"].iloc[0])
    app = show("failures", sample=sample, run=trained)
    assert [metric.label for metric in app.metric][:2] == ["IoU", "Dice"]
    probs, truth = (
        read_probs(OpenedRun(workspace, trained).folder.probs_path("test", int(sample))),
        decode_rle(store.label(int(sample)).rle),
    )
    for threshold in (0.05, 0.4, 0.95):
        numbers = app.slider(key=f"threshold_{sample}").set_value(threshold).run().metric
        counts = count_pixels(mask_at(probs, threshold), truth)
        expected = {"IoU": iou(counts), "Dice": dice(counts), "Precision": precision(counts), "Recall": recall(counts)}
        assert {m.label: m.value for m in numbers if m.label in expected} == {k: f"{v:.3f}" for k, v in expected.items()}


def opened(app):
    return [int(button.key.removeprefix("open_")) for button in app.button if (button.key or "").startswith("open_")]


def press(app, label):
    return next(button for button in app.button if button.label == label).click().run()


def test_pages_are_turned_there_and_back(desk_of_thirty, show):
    """Thirty scored samples, twelve a page: the order goes on where a page ends."""
    store, run = desk_of_thirty
    order = store.scores(run, "test").sort_values(["iou", "sample_id"])["sample_id"].tolist()

    app = show("failures", run=run)
    assert opened(app) == order[:12]
    assert any(c.value == "1 to 12 of 30" for c in app.caption)
    app = press(press(app, "Next"), "Next")
    assert opened(app) == order[24:]
    assert any(c.value == "25 to 30 of 30" for c in app.caption)
    app = press(app, "Previous")
    assert opened(app) == order[12:24]
    app = press(app, "First")
    assert opened(app) == order[:12]
    app = show("failures", run=run, cause="missed")
    missed = set(store.scores(run, "test").query("cause == 'missed'")["sample_id"])
    assert set(opened(app)) <= missed
    assert any(expander.label == "Why 15 of 30 failed" for expander in app.expander)


@pytest.fixture
def desk_of_thirty(workspace, store):
    """A run with thirty scored samples of one photo size, half of them missed, and something it predicted of each."""
    image = store.samples()[0]
    hw, rle = image.size_hw, encode_rle(np.eye(*image.size_hw, dtype=bool))
    source = workspace.photo_path(image.image_path)
    store.add_images(ImageRecord(f"{n:064d}", f"images/{n:064d}{source.suffix}", *hw) for n in range(30))
    store.add_samples(NewSample(f"{n:064d}", "cracks", f"thirty{n}.jpg", "test", False, rle) for n in range(30))
    run = OpenedRun(workspace, "thirty")
    store.create_run("thirty", name="thirty", checkpoint="c", label_set=store.current_label_set().name, config={})
    scores = []
    for number, sample in enumerate(s for s in store.samples() if s.file_name.startswith("thirty")):
        shutil.copy(source, workspace.photo_path(sample.image_path))
        path = run.folder.probs_path("test", sample.id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(probs_png(np.zeros(hw, np.uint8)))
        metrics = dict.fromkeys(("iou", "dice", "precision", "recall"), number % 10 / 10)
        cause = "missed" if number % 2 else "fine"
        scores.append(Score("thirty", sample.id, "test", 1, 0.5, 1, 1, 1, 1, metrics, cause=cause))
    store.save_scores(scores)
    return store, "thirty"


def test_the_address_carries_every_filter_of_the_gallery(trained, store, show):
    scores = store.scores(trained, "test")
    app = show("failures", run=trained, by="tolerant_f1_2px", order="best first", iou="0-0.9")
    shown = [m.value for m in app.markdown if m.value.startswith(":small[**IoU")]
    kept = scores[scores["iou"] < 0.9].sort_values("tolerant_f1_2px", ascending=False, kind="stable")
    assert len(shown) == min(12, len(kept))
    if len(kept):
        assert shown[0].endswith(f"tolerant F1 {kept['tolerant_f1_2px'].iloc[0]:.3f}**]")
    slider = next(slider for slider in app.slider if slider.label == "IoU")
    slider.set_value((0.2, 0.7)).run()
    assert app.query_params["iou"] in ("0.2-0.7", ["0.2-0.7"])  # by Streamlit version
    assert app.query_params["by"] in ("tolerant_f1_2px", ["tolerant_f1_2px"])


def test_metrics_table_equals_the_scores(trained, store, show):
    table, scores = show("metrics").dataframe[0].value, store.scores(trained, "test")
    assert table.loc["overall", "mIoU"].startswith(f"{scores['iou'].mean():.3f} (")
    tp, fp, fn = scores[["tp", "fp", "fn"]].sum()
    assert table.loc["overall", "IoU of all pixels"] == f"{tp / (tp + fp + fn):.3f}"
    assert table.loc["published, cracks", "mIoU"] == "0.164"


def test_every_metric_is_behind_a_toggle(trained, store, show):
    app = show("metrics")
    counted = ["IoU of all pixels", "samples", "source photos"]
    assert list(app.dataframe[0].value) == ["mIoU", *(TITLES[key] for key in HEADLINE[1:]), *counted]
    app.toggle[1].set_value(True).run()
    every = app.dataframe[1].value
    assert every.index.tolist() == ["mIoU", *list(TITLES.values())[1:], *counted]
    assert float(every.loc["Recall", "overall"]) == pytest.approx(store.scores(trained, "test")["recall"].mean(), abs=1e-4)


def test_the_table_of_failures_holds_sizes_in_px_and_with_a_scale_in_mm(trained, workspace, store, show):
    scores = store.scores(trained, "test").sort_values("iou", kind="stable")
    sizes = sizes_table(store, ids=scores["sample_id"].tolist()).set_index("sample").loc[scores["sample_id"]]
    table = show("failures", **{"as": "Table"}).dataframe[0].value
    assert table["IoU"].tolist() == scores["iou"].tolist()
    np.testing.assert_allclose(table["length, px"], sizes["length_px"])
    np.testing.assert_allclose(table["widest, px"], sizes["width_max_px"])
    found = band_size(
        mask_at(
            read_probs(OpenedRun(workspace, trained).folder.probs_path("test", int(scores["sample_id"].iloc[0]))),
            scores.iloc[0]["threshold"],
        )
    )
    assert table["predicted length"].iloc[0] == pytest.approx(found.length_px if found else 0)
    first = store.sample(int(scores["sample_id"].iloc[0]))
    store.set_scale(first.image_hash, 2.0, "ann")
    scaled = show("failures", **{"as": "Table"}).dataframe[0].value
    assert scaled["length, mm"].iloc[0] == pytest.approx(sizes["length_px"].iloc[0] / 2)
    assert scaled["length, mm"].notna().sum() == sum(s.image_hash == first.image_hash for s in store.samples(split="test"))
    joints = show("failures", **{"as": "Table", "class": "taping"}).dataframe[0].value
    has_joint = any(s.image_hash == first.image_hash for s in store.samples(split="test", class_name="taping"))
    assert ("length, m" in joints) == has_joint


def test_a_scale_is_typed_on_the_desk_and_forgotten(trained, store, show):
    sample = store.samples(split="test")[0]
    app = show("fix_masks", sample=str(sample.id), reviewer="Ann")
    app.session_state["below"] = "Sizes"
    app.run()
    app.number_input(key=f"px_per_mm_{sample.id}_None").set_value(1.5).run()
    next(button for button in app.button if button.label == "Set pixels per mm").click().run()
    assert not app.exception
    assert store.sample(sample.id).px_per_mm == 1.5
    table = app.dataframe[0].value
    assert table.index.tolist() == ["label", "prediction"][: len(table)]
    assert table.loc["label", "length"] == "nothing" or table.loc["label", "length"].endswith("m")
    next(button for button in app.button if button.label == "Forget the scale").click().run()
    assert store.sample(sample.id).px_per_mm is None


def test_the_metrics_page_offers_the_report_in_both_forms(trained, show):
    assert [button.label for button in show("metrics").get("download_button")] == ["Report (PDF)", "Report (HTML)"]


def test_deciding_writes_a_review(trained, store, show):
    sample = store.samples(split="test")[0].id
    app = show("fix_masks", sample=str(sample))
    app.text_input(key="reviewer").set_value("Ann").run()
    next(button for button in app.button if button.label == "Accept").click().run()
    assert store.sample(sample).review_state == "accepted"
    assert store.reviews(sample)[0].reviewer == "Ann"


def test_deciding_without_a_name_is_a_sentence(trained, store, show):
    sample = store.samples(split="test")[0].id
    app = show("fix_masks", sample=str(sample))
    next(button for button in app.button if button.label == "Accept").click().run()
    assert "name is missing" in app.error[0].value.replace("\\", "")
    assert store.sample(sample).review_state == "to review"


def test_launch_form_refuses_what_cannot_be(trained, store, show):
    app = show("train")
    app.number_input(key="train_quick_lr").set_value(-1.0).run()
    next(button for button in app.button if button.label == "Launch").click().run()
    assert "train.lr input should be greater than 0" in app.error[0].value.replace("\\", "")
    assert len(store.runs()) == 1


def test_launch_form_carries_every_section_into_the_run(trained, store, monkeypatch, show):
    launched = []
    monkeypatch.setattr("training.runs.runs.launch", lambda w, config: launched.append(config) or store.run(trained))
    app = show("train")
    app.number_input(key="loss_quick_cldice").set_value(0.2)
    app.number_input(key="inference_quick_side_px").set_value(704)
    app.number_input(key="model_quick_unfreeze_blocks").set_value(2)
    app.checkbox(key="train_quick_threshold_per_class").set_value(True)
    app.selectbox(key="labels_quick_boxes").set_value("proposal")
    sam = "facebook/sam2.1-hiera-tiny"
    app.text_input(key="labels_quick_sam").set_value(sam)
    app.number_input(key="cache_quick_max_gb").set_value(2.5)
    app.text_input(key="model_quick_decoder_extract_layers").set_value("1, 2, x").run()
    next(button for button in app.button if button.label == "Launch").click().run()
    assert "model.decoder.extract_layers.2 input should be a valid integer" in app.error[0].value.replace("\\", "")
    app.text_input(key="model_quick_decoder_extract_layers").set_value("1, 2, 3").run()
    next(button for button in app.button if button.label == "Launch").click().run()
    assert f"labels.sam {sam} is not allowed here" in app.error[0].value.replace("\\", "")
    monkeypatch.setenv("DRYWALL_QA_CHECKPOINTS", sam)
    next(button for button in app.button if button.label == "Launch").click().run()
    (config,) = launched
    assert (config.loss.cldice, config.inference.side_px, config.inference.tiles) == (0.2, 704, 0)
    assert (config.model.unfreeze_blocks, config.model.decoder.extract_layers) == (2, (1, 2, 3))
    assert (config.model.decoder.reduce_dim, config.train.threshold_per_class) == (None, True)
    assert (config.labels.boxes, config.labels.sam, config.cache.max_gb) == ("proposal", "facebook/sam2.1-hiera-tiny", 2.5)


def test_a_run_that_ended_early_is_resumed_from_its_page(trained, store, monkeypatch, show):
    resumed = []
    monkeypatch.setattr("training.runs.runs.relaunch", lambda run: resumed.append(run.id))
    assert not [button for button in show("train").button if button.label == "Resume"]  # it is finished
    store.update_run(trained, status="failed", reason="the process is gone")
    next(button for button in show("train").button if button.label == "Resume").click().run()
    assert resumed == [trained]


def segment(app):
    return next(button for button in app.button if button.label == "Segment").click().run()


def test_prompt_lab_starts_from_the_runs_settings_and_names_a_wrong_one(trained, show):
    app = segment(show("prompt_lab"))
    assert [slider.value for slider in app.slider] == [0.5, 0.5]
    app.number_input(key=f"inference_run {trained}_tiles").set_value(10).run()
    assert "inference.tiles" in segment(app).error[0].value


def test_prompt_lab_computes_when_asked_and_not_again_for_a_threshold(trained, monkeypatch, show):
    looks, predict = [], Predictor.predict
    monkeypatch.setattr(Predictor, "predict", lambda *asked: looks.append(asked[2]) or predict(*asked))
    app = show("prompt_lab")
    assert looks == []
    segment(app).slider[0].set_value(0.2).run()
    assert looks == [["segment wall crack", "segment joint tape"]]
    app.text_area[0].set_value("segment crack").run()
    assert len(app.slider) == 0  # what was found before is not what is asked for now
    segment(app)
    assert looks[1:] == [["segment crack"]]
    assert not app.exception


def test_picked_samples_are_tagged_sent_and_shown_alone(desk_of_thirty, show):
    store, run = desk_of_thirty
    store.tag(store.scores(run, "test")["sample_id"].tolist()[-1:], "door frames")
    app = show("failures", run=run)
    app.text_input(key="reviewer").set_value("Ann").run()
    chosen = opened(app)[2:4]
    for sample_id in chosen:
        app.checkbox(key=f"pick_{sample_id}").check().run()
    assert any(caption.value == "2 picked" for caption in app.caption)
    app.selectbox(key="tag_name").set_value("door frames").run()
    press(app, "Put on")
    assert store.tags() == {"door frames": 3}
    shown = show("failures", run=run, of="tag:door frames", order="best first")
    assert opened(shown)[1:] == chosen[::-1]
    press(app, "Send 2")
    assert {entry.sample_id for entry in review_queue(store, kind="sent", audit_share=0)} == set(chosen)
    assert not app.exception


def test_a_view_is_kept_and_opened_again(desk_of_thirty, show):
    store, run = desk_of_thirty
    app = show("failures", run=run, cause="missed", n="24")
    app.text_input(key="reviewer").set_value("Ann").run()
    app.text_input(key="view_name").set_value("what was missed").run()
    press(app, "Keep")
    (view,) = store.views("failures")
    assert (view.name, view.author, view.query["cause"], view.query["n"]) == ("what was missed", "Ann", "missed", "24")
    assert not app.exception


def test_samples_like_one_stand_by_likeness_and_the_map_shows_all(trained, store, show):
    scores = store.scores(trained, "test")
    sample_id = int(scores["sample_id"].iloc[0])
    app = show("failures", run=trained, of=f"like:{sample_id}")
    assert not app.exception
    assert opened(app)[0] == sample_id
    assert set(opened(app)) == set(scores["sample_id"])
    app = show("failures", run=trained, **{"as": "Map"})
    assert not app.exception
    assert app.get("plotly_chart")


def test_the_data_page_measures_and_opens_what_it_finds(workspace, store, show):
    app = show("data_report")
    assert not app.exception
    press(app, "Measure")
    assert not app.exception
    assert store.unmeasured() == []
    boxes = [sample.id for sample in store.samples() if sample.is_box]
    app = show("data_report", finding="boxes")
    assert set(opened_in(app, "boxes")) == set(boxes)
    app.checkbox(key=f"pick_{boxes[0]}").check().run()
    assert any(caption.value == "1 picked" for caption in app.caption)


def opened_in(app, key):
    return [int(b.key.rpartition("_")[2]) for b in app.button if (b.key or "").startswith(f"open_{key}_")]


def test_groups_that_leak_are_divided_by_one_click(workspace, store, show):
    one, other = store.samples(class_name="cracks")[:2]
    groups = {one.id: "g", other.id: "g"}
    store.set_groups_and_splits(groups, {one.id: "train", other.id: "test"})
    assert store.leaking_groups() == 1
    app = show("data_report", finding="leaks")
    press(app, "Divide by group")
    assert store.leaking_groups() == 0
    assert not app.exception


def test_a_deleted_photo_is_named_and_the_rest_of_the_gallery_stays(desk_of_thirty, workspace, show):
    store, run = desk_of_thirty
    first = store.sample(int(store.scores(run, "test").sort_values(["iou", "sample_id"])["sample_id"].iloc[0]))
    workspace.photo_path(first.image_path).unlink()
    app = show("failures", run=run)
    assert not app.exception
    assert any("cannot be read" in warning.value for warning in app.warning)
    assert len(opened(app)) == 11
