"""The mask editor: the canvas in the browser, the draft of its strokes in the store, and what goes between the two."""

import base64
import contextlib
import gc
import json
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import streamlit as st

from core.errors import DrywallError, LeaseError, RequestError
from core.masks.strokes import Patch
from core.seams.seams import snap_seam
from dashboard.gallery import photo_of, truth_of
from dashboard.mask_canvas import mask_canvas, module
from dashboard.media import address, deflated_probs, label_address, photo_address, photo_bytes, probs_address
from data.store.drafts import Draft, Stroke
from data.store.records import Sample
from data.store.store import Store
from data.workspace import Workspace
from training.review.tight_labels import SEAM_CLASS, seams_of

KEY = "mask_canvas"
_FARTHEST_PX, _MOST_BYTES = 100_000, 20_000_000
RENEW_SECONDS = 60
"""Who draws keeps the sample: strokes renew its lease, at most this often."""


@dataclass(frozen=True)
class Prediction:
    """Of which run the prediction is; `threshold` is the one it was scored at."""

    run_id: str
    split: str
    threshold: float


@dataclass
class Opening:
    """One opening of a sample in one browser. `load` names it; of its strokes, numbered from 1, `acked` are stored.

    revision: what the strokes are drawn on. drawn: whether a draft exists. saved: the revision the last save made.
    """

    sample: Sample
    reviewer: str
    revision: int
    draft: Draft | None
    load: str = field(default_factory=lambda: uuid.uuid4().hex)
    acked: int = 0
    answer: dict[str, Any] | None = None
    drawn: bool = False
    saved: int | None = None
    shown: dict[str, Any] = field(default_factory=dict)
    renewed: float = field(default_factory=time.monotonic)


@st.cache_resource(show_spinner=False)
def _spare_the_collector() -> None:
    """Streamlit collects garbage in full after every run; of what PyTorch and the rest have loaded there is none to find,
    and looking through it takes longer than all else a stroke needs."""
    gc.collect()
    gc.freeze()


def _openings() -> dict[str, Opening]:
    return st.session_state.setdefault("openings", {})


def open_sample(workspace: Workspace, sample: Sample, reviewer: str, prediction: Prediction | None) -> Opening:
    """The sample as it stands open in this browser, or opened now, with the draft the reviewer left.

    Call it in every full run of the page: it also puts what the browser fetches under its addresses.
    """
    _spare_the_collector()
    opening = _openings().get(st.session_state.get("opening", ""))
    if opening is None or (opening.sample.id, opening.reviewer) != (sample.id, reviewer):
        opening = reopen(workspace.store, sample, reviewer)
    store = workspace.store
    opening.sample, opening.draft = sample, store.draft(sample.id, reviewer)  # a browser back from another page begins there
    label, draft = store.label(sample.id, opening.revision), opening.draft
    opening.shown = {
        "module": address(module.encode(), "text/javascript", "module"),
        "photo": photo_address(workspace.photo_path(sample.image_path)),
        "label": label_address(label.rle),
        "probs": probs_address(prediction.run_id, prediction.split, sample.id) if prediction else None,
        "threshold": prediction.threshold if prediction else None,
        "draft": address(json.dumps([text_of(stroke) for stroke in draft.strokes]).encode(), "application/json", "draft")
        if draft
        else None,
        "draftTime": draft.updated_at.isoformat() if draft else None,
        "key": f"drywall-qa:{sample.id}:{sample.image_hash[:12]}:{reviewer}",
        "reviewer": reviewer,
        "boxOnly": sample.is_box_in(label),
    }
    return opening


def make_ready(workspace: Workspace, sample: Sample, prediction: Prediction | None) -> None:
    """Fill the caches that opening the sample will read: for large photos that takes seconds.

    Call it as the last thing of a page's run, when the browser has everything it shows; nothing goes on afterwards. What
    is missing is told when the sample is opened.
    """
    truth_of(sample.id, sample.revision)
    with contextlib.suppress(DrywallError, OSError):
        photo_bytes(workspace.photo_path(sample.image_path))
        if prediction:
            deflated_probs(prediction.run_id, prediction.split, sample.id)
        if sample.is_box and sample.class_name == SEAM_CLASS:  # the editor asks for them as soon as it is open
            seams_of(workspace, sample)


def reopen(store: Store, sample: Sample, reviewer: str) -> Opening:
    """Open the sample anew: at its newest revision, or where the reviewer's draft began."""
    draft = store.draft(sample.id, reviewer)
    opening = Opening(sample, reviewer, draft.based_on if draft else sample.revision, draft, drawn=draft is not None)
    _openings()[opening.load] = opening
    st.session_state["opening"] = opening.load
    return opening


def save_draft(store: Store, opening: Opening, comment: str) -> None:
    """Make the draft the sample's next revision; one that changes nothing, all of it undone, is dropped instead.

    Raises as `Store.save_label`; the draft is then still there.
    """
    draft = store.draft(opening.sample.id, opening.reviewer)
    if draft is None:
        return
    label = truth_of(opening.sample.id, draft.based_on)
    mask = draft.draw_on(label)
    if np.array_equal(mask, label):
        store.drop_draft(draft)
        opening.drawn = False
        return
    saved = store.save_label(
        opening.sample.id,
        mask,
        based_on=draft.based_on,
        author=opening.reviewer,
        tool="editor",
        comment=comment,
        provenance=draft.provenance,
        draft=draft,
    )
    opening.revision, opening.saved, opening.drawn = saved.number, saved.number, False


def show_canvas(workspace: Workspace, opening: Opening, locked: str | None) -> None:
    """The canvas; inside a fragment, so that a stroke runs nothing else. locked: why nobody may draw, in one sentence."""
    mask_canvas(
        key=KEY,
        data={
            **opening.shown,
            "load": opening.load,
            "revision": opening.revision,
            "locked": locked,
            "drawn": opening.drawn,
            "saved": opening.saved,
            "answer": opening.answer,
            "acked": {load: each.acked for load, each in _openings().items()},
        },
        on_message_change=lambda: _received(workspace, st.session_state[KEY]["message"]),
    )


def _received(workspace: Workspace, message: dict[str, Any]) -> None:
    store = workspace.store
    for load in dict.fromkeys(text["load"] for text in message["strokes"]):
        opening = _openings().get(load)
        if opening is None:
            continue  # from before the server started anew; the browser offers them again with the sample
        fresh = [text for text in message["strokes"] if text["load"] == load and text["n"] > opening.acked]
        if fresh:
            store.add_strokes(opening.sample.id, opening.reviewer, opening.revision, [stroke_of(text) for text in fresh])
            opening.acked, opening.drawn, opening.saved = fresh[-1]["n"], True, None
            _keep_lease(store, opening)
    ask = message["ask"]
    if ask and (opening := _openings().get(ask["load"])):
        opening.answer = {"id": ask["id"], **_answer(workspace, opening, ask)}


def _keep_lease(store: Store, opening: Opening) -> None:
    if time.monotonic() - opening.renewed < RENEW_SECONDS:
        return
    with suppress(LeaseError):  # it ran out and somebody else has the sample: saving will tell
        store.take(opening.sample.id, opening.reviewer)
    opening.renewed = time.monotonic()


def _answer(workspace: Workspace, opening: Opening, ask: dict[str, Any]) -> dict[str, Any]:
    """To "snap": the moved points and the joint's width. To "proposal": the seams in the label's boxes.

    An error is a sentence to show.
    """
    sample = opening.sample
    try:
        if ask["what"] == "snap":
            photo = photo_of(sample.image_path)
            seam = snap_seam(photo, np.array(ask["points"], float), float(ask["search"]), sample.boxes)
            return {"points": seam.points_xy.tolist(), "width": seam.width_px}
        found = [seam for of_box in seams_of(workspace, sample) for seam in of_box]
    except DrywallError as error:
        return {"error": str(error)}
    return {"seams": [{"points": s.points_xy.tolist(), "width": s.width_px, "confidence": s.confidence} for s in found]}


def stroke_of(text: dict[str, Any]) -> Stroke:
    """A stroke as the canvas writes it (see codec.js). Raises RequestError for anything else."""
    try:
        added, removed = (base64.b64decode(text[key], validate=True) for key in ("added", "removed"))
        x, y, width, height = (text[key] for key in ("x", "y", "w", "h"))
        tool, undo = text["tool"], text["undo"]
    except (KeyError, TypeError, ValueError) as error:
        raise RequestError("a stroke came in a form that is not known; reload the page") from error
    sides = all(type(value) is int and 0 <= value <= _FARTHEST_PX for value in (x, y, width, height))
    named = isinstance(tool, str) and len(tool) <= 20 and isinstance(undo, bool)
    if not (sides and named and len(added) + len(removed) <= _MOST_BYTES):
        raise RequestError("a stroke came in a form that is not known; reload the page")
    return Stroke(tool, undo, Patch(x, y, width, height, added, removed))


def text_of(stroke: Stroke) -> dict[str, Any]:
    """What `stroke_of` reads."""
    patch = stroke.patch
    return {
        "tool": stroke.tool,
        "undo": stroke.undo,
        "x": patch.x,
        "y": patch.y,
        "w": patch.width,
        "h": patch.height,
        "added": base64.b64encode(patch.added).decode(),
        "removed": base64.b64encode(patch.removed).decode(),
    }
