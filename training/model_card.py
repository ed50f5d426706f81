"""The model card that is saved beside every checkpoint."""

from data.records import Run
from training.config import RunConfig, dump_config


def model_card(config: RunConfig, run: Run, train_samples: int, val_samples: int) -> str:
    """Markdown with the front matter that model hubs read."""
    classes = "\n".join(f"- {name}: {', '.join(prompts)}" for name, prompts in config.synonyms.items())
    return f"""---
library_name: transformers
pipeline_tag: image-segmentation
---
# {config.name}

CLIPSeg checkpoint for drywall quality assurance, trained by Drywall QA (run {run.id}) from `{config.checkpoint}` on
label set `{run.label_set}`: {train_samples} training and {val_samples} validation samples.

Prompts it was trained on:

{classes}

Other sentences are read, but nothing is promised for them. If `refiner.safetensors` lies beside the weights, Drywall QA
adds its full-resolution branch; plain transformers loads the CLIPSeg part alone.

## Configuration

```yaml
{dump_config(config)}```
"""
