"""Every command and every setting as a page, made from the code: `python -m docs.reference` writes docs/reference.md."""

from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click
import typer
from pydantic.fields import FieldInfo

from core.files import write_atomically
from core.metrics.table import METRICS
from core.settings import Settings, section_of
from training.cli import app
from training.config import RunConfig, load_config, shipped_configs

PAGE = Path(__file__).with_name("reference.md")


def reference() -> str:
    """The page as it should be; a test holds `docs/reference.md` against it."""
    return f"""# Reference

Made from the code by `python -m docs.reference`; a test fails when this page drifts.

## Commands

`--workspace DIR` (default `./workspace`, or `DRYWALL_QA_WORKSPACE`) and `--json` are left out below.

| command | what it does | options |
|---|---|---|
{_commands()}

## Settings

Keys of a YAML file for `drywall-qa train FILE`, of `--set KEY=VALUE`, and the fields of the Train page. The last column
names the shipped configurations that differ from the default.

| key | default | allowed | what it does | differs in |
|---|---|---|---|---|
{_settings()}

## Metrics

| key | title | what it says |
|---|---|---|
{_table((f"`{m.key}`", m.title, m.meaning) for m in METRICS)}
"""


def _commands() -> str:
    group: Any = typer.main.get_command(app)
    rows = []
    for name, command in group.commands.items():
        places = [p for p in command.params if p.param_type_name == "argument"]
        usage = " ".join((f"`{name}`", *(f"`{_argument(place)}`" for place in places)))
        options = [p for p in command.params if p.param_type_name == "option" and not p.hidden]
        shown = [_option(option) for option in options if not {"--workspace", "--json", "--help"} & set(option.opts)]
        rows.append((usage, (command.help or "").partition("\n\n")[0].replace("\n", " "), "<br>".join(shown)))
    return _table(rows)


def _argument(argument: click.Parameter) -> str:
    word = argument.metavar or (argument.name or "").upper()
    return word if argument.required or word.startswith("[") else f"[{word}]"


def _option(option: Any) -> str:
    flags = "/".join([*option.opts, *option.secondary_opts])
    return f"`{flags}` {option.help or ''}".strip()


def _settings() -> str:
    shipped = {name: load_config(name) for name in shipped_configs()}
    rows = []
    for key, field in _fields(RunConfig):
        default = _value_at(RunConfig(), key)
        said = _text if key != "synonyms" else lambda _: "in its file"
        differs = [f"{name}: {said(found)}" for name, config in shipped.items() if (found := _value_at(config, key)) != default]
        known = "see `core/prompts.yaml`" if key == "synonyms" else _text(field.default if default is None else default)
        rows.append((f"`{key}`", known, _allowed(field), field.description or "", "" if key == "name" else "; ".join(differs)))
    return _table(rows)


def _fields(settings: type[Settings], prefix: str = "") -> list[tuple[str, FieldInfo]]:
    found = []
    for name, field in settings.model_fields.items():
        inner = section_of(field)
        found += _fields(inner, f"{prefix}{name}.") if inner else [(prefix + name, field)]
    return found


def _value_at(config: Settings, key: str) -> Any:
    """None below a section that is off."""
    value: Any = config
    for part in key.split("."):
        value = getattr(value, part, None)
    return value


def _allowed(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(field.annotation))
    if field.annotation is bool:
        return "`true`, `false`"
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "multiple_of": "multiple of"}
    limits = [f"{sign} {getattr(m, name):g}" for m in field.metadata for name, sign in signs.items() if hasattr(m, name)]
    return ", ".join(limits)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _table(rows: Any) -> str:
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)


if __name__ == "__main__":
    write_atomically(PAGE, reference().encode())
