"""The model card that is saved beside every checkpoint and pushed with it."""

from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from data.store.records import Run
from training.config import RunConfig, dump_config

_FIGURES = {"miou": "mIoU", "dice": "Dice", "precision": "precision", "recall": "recall"}


def model_card(
    config: RunConfig,
    run: Run,
    train_samples: int,
    val_samples: int,
    figures: dict[str, Any] | str | None = None,
    license_id: str = "unknown",
) -> str:
    """Markdown with the front matter that model hubs read.

    figures: a document of `training.scoring.evaluation.summary`, markdown, or None before anything was scored. license_id: as
    hubs spell it ("mit", "apache-2.0"); `unknown` claims nothing.
    """
    classes = "\n".join(f"- {name}: {', '.join(prompts)}" for name, prompts in config.synonyms.items())
    is_hub_id = config.checkpoint.count("/") == 1 and not Path(config.checkpoint).exists()
    front = ModelCardData(
        model_name=config.name,
        library_name="transformers",
        pipeline_tag="image-segmentation",
        license=license_id,
        language="en",
        tags=["clipseg", "construction", "drywall"],
        base_model=config.checkpoint if is_hub_id else None,
        eval_results=_eval_results(run, figures) if isinstance(figures, dict) else None,
    )
    return f"""---
{front.to_yaml()}
---
# {config.name}

CLIPSeg checkpoint for drywall quality assurance, trained by Drywall QA (run {run.id}) from `{config.checkpoint}`.

## Data

Label set `{run.label_set}`: {train_samples} training and {val_samples} validation samples, one sample being a photo with the
label of one class. {_split(config)}

## Prompts it was trained on

{classes}

Other sentences are read, but nothing is promised for them. If `branch.safetensors` lies beside the weights, Drywall QA
adds its full-resolution branch; plain transformers loads the CLIPSeg part alone.

## Figures

{_table(figures)}

## Intended use

Finding cracks and taped joints in photos of drywall, so that a person looks there first; labels proposed for a reviewer.

## Limits

It marks what it has learnt to see, at the resolution it works at: hairlines thinner than that are lost, and shadows,
cables and edges can be taken for cracks. It measures no width and judges no structural safety. Photos unlike the training
set (other surfaces, lamps, distances) need figures of their own first. No finding is no proof of a sound wall.

## Configuration

```yaml
{dump_config(config)}```
"""


def _split(config: RunConfig) -> str:
    split = config.split
    if split.keep_source:
        return "The export's own division into training, validation and test was kept."
    test = 1 - split.train - split.val
    kept = " and copies of one photo kept in one split" if split.by_group else ""
    return f"Divided {split.train:.0%} / {split.val:.0%} / {test:.0%}, stratified by class{kept} (seed {split.seed})."


def _table(figures: dict[str, Any] | str | None) -> str:
    if isinstance(figures, str):
        return figures
    if figures is None:
        return "None yet: this checkpoint was not scored."
    rows = {**figures["classes"], "overall": figures["overall"]}
    head = f"| {figures['split']} | " + " | ".join(_FIGURES.values()) + " | samples |\n|---" + "|---:" * 5 + "|\n"
    body = "\n".join(
        f"| {name} | " + " | ".join(f"{row[key]:.4f}" for key in _FIGURES) + f" | {row['samples']} |"
        for name, row in rows.items()
    )
    return f"Means over samples of the {figures['split']} split; mIoU is the mean foreground IoU.\n\n{head}{body}"


def _eval_results(run: Run, figures: dict[str, Any]) -> list[EvalResult]:
    return [
        EvalResult(
            task_type="image-segmentation",
            dataset_type="private",
            dataset_name=run.label_set,
            dataset_config=name,
            dataset_split=figures["split"],
            metric_type="mean_iou",
            metric_value=round(row["miou"], 4),
            metric_name="mIoU",
        )
        for name, row in {**figures["classes"], "overall": figures["overall"]}.items()
    ]
