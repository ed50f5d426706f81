"""Labels back from other tools over the ones that are here: first the differences, then a new revision each.

Nothing is overwritten: every change is a revision "imported from CVAT" (or whatever it was), and what cannot be used is
named with its reason while the rest goes on.
"""

import tempfile
from collections import defaultdict
from collections.abc import Mapping, Set
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import AnnotationError, DrywallError, RequestError
from core.masks.difference import MaskDifference, mask_difference
from core.masks.mask import Mask, Rle, encode_rle
from data.exchange import coco
from data.exchange.archives import innermost, unpacked
from data.exchange.formats import FORMATS
from data.exchange.guess import guess_format
from data.exchange.labels import EVERY_CLASS, Incoming, IncomingLabel, Note, NotUsed, plain_text, untrusted
from data.exchange.photo_names import PhotoFinder
from data.exchange.placement import Exif
from data.store.records import LabelRevision, Sample
from data.store.store import Store


@dataclass(frozen=True)
class LabelChange:
    """A label that would become another. based_on: the revision the difference was taken from."""

    sample_id: int
    file_name: str
    class_name: str
    based_on: int
    rle: Rle
    old_px: int
    new_px: int
    difference: MaskDifference


@dataclass(frozen=True)
class LabelImport:
    """What an import would change, which samples (ids) are as they were, what it cannot use and what else there is to tell.

    unknown_classes: names in the file that are none of the workspace's; `read_import` can map them. unsaid: samples with a
    label of whose class the file shows no shape and does not say that there is none; `read_import(empty=True)` empties them.
    notes: what was taken in a way that one should know.
    """

    form: str
    path: Path
    changes: list[LabelChange] = field(default_factory=list)
    same: list[int] = field(default_factory=list)
    skipped: list[NotUsed] = field(default_factory=list)
    unknown_classes: list[str] = field(default_factory=list)
    unsaid: list[int] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """For JSON: one entry a changed sample with IoU old to new and the pixels added and removed."""
        return {
            "format": self.form,
            "path": str(self.path),
            "changed": [
                {
                    "sample": change.sample_id,
                    "file": change.file_name,
                    "class": change.class_name,
                    "revision": change.based_on,
                    "old_px": change.old_px,
                    "new_px": change.new_px,
                    **asdict(change.difference),
                }
                for change in self.changes
            ],
            "same": self.same,
            "skipped": [asdict(item) for item in self.skipped],
            "unsaid": self.unsaid,
            "notes": [asdict(note) for note in self.notes],
        }


def read_import(
    store: Store,
    path: Path,
    form: str,
    class_of: Mapping[str, str] | None = None,
    *,
    empty: bool = False,
    exif: Exif | None = None,
) -> LabelImport:
    """The differences; nothing is saved. path: a file, a folder or a ZIP archive of one.

    class_of maps the file's class names to the workspace's. empty: a photo without shapes of a class has nothing of it, also
    where the format cannot say so. exif: on which picture COCO labels were drawn; None goes by the sizes
    (`data.exchange.placement`). Raises RequestError for another format, for a path that is not there and for a file that holds
    no labels at all.
    """
    if form not in FORMATS:
        raise RequestError(f"format {form} is unknown; use one of {', '.join(FORMATS)}")
    if exif is not None and FORMATS[form].read is not coco.read:
        raise RequestError(f"--exif is for COCO, which does not say how photos were shown; leave it out for {form}")
    if not path.exists():
        raise RequestError(f"{path} is not there; name the exported file or its folder")
    found = LabelImport(form, path)
    with unpacked(path) as unpacked_path:
        place = innermost(unpacked_path)
        try:
            with untrusted(path.name):
                incoming = FORMATS[form].read(place) if exif is None else coco.read(place, exif)
        except AnnotationError as error:
            raise RequestError(str(error)) from error
        found.skipped.extend(incoming.not_used)
        _compare(store, incoming, class_of or {}, empty, found)
        found.notes.extend(incoming.notes)
    return found


def read_upload(
    store: Store,
    name: str,
    content: bytes,
    form: str | None = None,
    class_of: Mapping[str, str] | None = None,
    *,
    empty: bool = False,
) -> LabelImport:
    """`read_import` of a file that came without a place of its own. form: None finds it out.

    Raises RequestError also when the format cannot be told from the file.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(name).name
        path.write_bytes(content)
        form = form or guess_format(path)
        if form is None:
            raise RequestError(f"the format of {name} cannot be told from what is in it; choose the format")
        return read_import(store, path, form, class_of, empty=empty)


def save_import(store: Store, found: LabelImport, author: str, left_out: Set[int] = frozenset()) -> list[int]:
    """Save the changes as new revisions, without the samples `left_out`; returns the samples saved.

    What the store refuses joins `found.skipped`.
    """
    if not author.strip():
        raise RequestError("the name of who imports is missing; give it with --author")
    title, saved = FORMATS[found.form].title, []
    for change in found.changes:
        if change.sample_id in left_out:
            continue
        try:
            store.save_label(
                change.sample_id,
                change.rle,
                based_on=change.based_on,
                author=author,
                tool=f"imported from {title}",
                comment=found.path.name,
                provenance="imported",
            )
            saved.append(change.sample_id)
        except DrywallError as error:
            found.skipped.append(NotUsed(change.file_name, str(error)))
    return saved


def _compare(store: Store, incoming: Incoming, class_of: Mapping[str, str], empty: bool, found: LabelImport) -> None:
    samples, revisions = store.samples(), store.labels()
    finder, of_photo = PhotoFinder(samples), defaultdict[str, dict[str, Sample]](dict)
    for sample in samples:
        of_photo[sample.image_hash][sample.class_name] = sample
    classes, by_sample = sorted({sample.class_name for sample in samples}), dict[int, list[IncomingLabel]]()
    for label in incoming.labels:
        class_name = class_of.get(label.class_name, label.class_name)
        try:
            with untrusted("its name"):
                there = of_photo[finder.find(label.file_name, label.photo)]
            meant = list(there.values()) if label.class_name == EVERY_CLASS else [there.get(class_name)]
            if label.shapes and None in meant:  # a class that is merely declared needs no sample
                if class_name not in (*classes, *found.unknown_classes):
                    found.unknown_classes.append(class_name)
                raise AnnotationError(_no_sample(label, class_name, classes))
        except (AnnotationError, OSError) as error:
            found.skipped.append(NotUsed(plain_text(f"{label.file_name} ({class_name})"), str(error)))
            continue
        for sample in filter(None, meant):
            by_sample.setdefault(sample.id, []).append(label)
    by_id = {sample.id: sample for sample in samples}
    for sample_id, labels in by_sample.items():
        _compare_sample(by_id[sample_id], revisions.get(sample_id) or store.label(sample_id), labels, empty, found)


def _compare_sample(sample: Sample, old: LabelRevision, labels: list[IncomingLabel], empty: bool, found: LabelImport) -> None:
    """All labels the import has for a sample become one. This is where a label without shapes is told from an empty one."""
    item = f"{labels[0].file_name} ({sample.class_name})"
    said = [label for label in labels if label.shapes or label.says_empty] or (labels if empty else [])
    if not said:
        if old.area_px:
            found.unsaid.append(sample.id)
            text = (
                f"there is no shape of {sample.class_name}, nor word that there is none; its label of {old.area_px} px stays "
                "(--empty empties it)"
            )
            found.notes.append(Note(item, text))
        return
    try:
        with untrusted("its label"):
            masks = [_drawn(label, sample) for label in said]
    except (AnnotationError, OSError) as error:
        rest = f"; its {len(said)} labels are left out together" if len(said) > 1 else ""
        found.skipped.append(NotUsed(item, f"{error}{rest}"))
        return
    mask = np.logical_or.reduce(masks)
    rle, new_px = encode_rle(mask), int(mask.sum())
    if len(said) > 1 and new_px:
        parts = " and ".join(f"{label.class_name or 'nothing'} {part.sum()} px" for label, part in zip(said, masks, strict=True))
        found.notes.append(Note(item, f"the import has {len(said)} labels for it, united: {parts}, together {new_px} px"))
    if rle == old.rle and old.number:
        found.same.append(sample.id)
    elif sample.review_state == "accepted":
        found.skipped.append(NotUsed(item, f"sample {sample.id} is accepted; reopen it before importing over it"))
    else:
        if not new_px and old.number:
            found.notes.append(Note(item, f"nothing is there, the import says; its label of {old.area_px} px becomes empty"))
        found.changes.append(
            LabelChange(
                sample.id,
                sample.file_name,
                sample.class_name,
                old.number,
                rle,
                old.area_px,
                new_px,
                mask_difference(old.rle, rle),
            )
        )


def _drawn(label: IncomingLabel, sample: Sample) -> Mask:
    height, width = sample.size_hw
    if label.size_hw is not None and label.size_hw != (height, width):
        raise AnnotationError(
            f"it was labelled at {label.size_hw[1]}x{label.size_hw[0]} pixels, the photo here has {width}x{height}; "
            "label the photo of this workspace (drywall-qa export writes it)"
        )
    return label.draw((height, width))


def _no_sample(label: IncomingLabel, class_name: str, classes: list[str]) -> str:
    if class_name in classes:
        return f"the photo has no sample of class {class_name}; import one with drywall-qa prepare"
    return (
        f"class {class_name!r} is not in the workspace, there are {', '.join(classes)}; "
        f"map it with --class {label.class_name}=CLASS"
    )
