"""Prompts: the sentences a class answers to, and how a sentence becomes part of a file name."""

import re
from pathlib import Path

import yaml

from core.errors import RequestError

PUBLISHED_SYNONYMS: dict[str, tuple[str, ...]] = {
    class_name: tuple(synonyms)
    for class_name, synonyms in yaml.safe_load((Path(__file__).parent / "prompts.yaml").read_text("utf-8")).items()
}


def check_prompt(prompt: str) -> str:
    """The prompt with its white space folded. Raises RequestError when nothing is left."""
    folded = " ".join(prompt.split())
    if not folded:
        raise RequestError('the prompt is empty; type what to segment, for example "segment wall crack"')
    return folded


def noun_phrase(prompt: str) -> str:
    """`"segment wall crack"` -> `"wall crack"`: what models ask for that look for things, not for orders."""
    folded = check_prompt(prompt)
    return folded[len("segment ") :] if folded.lower().startswith("segment ") else folded


def slug(prompt: str) -> str:
    """`"segment wall crack"` -> `"segment_wall_crack"`: at most 80 characters."""
    return re.sub(r"[^\w]+", "_", check_prompt(prompt)).strip("_")[:80] or "prompt"


def class_of_prompt(prompt: str, synonyms: dict[str, tuple[str, ...]] = PUBLISHED_SYNONYMS) -> str | None:
    """The class a prompt is a known synonym of, or None."""
    folded = check_prompt(prompt).lower()
    return next((name for name, sentences in synonyms.items() if folded in sentences), None)
