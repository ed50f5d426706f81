"""Forms made from settings: a widget a field, with its default, its limits and its description as help."""

from typing import Any, Literal, get_args, get_origin

import streamlit as st

from core.settings import Settings, section_of


def settings_form(defaults: Settings, key: str, columns: int = 4) -> dict[str, Any]:
    """Show every field of the settings, sections inside them below; return the values chosen, not yet checked: the
    configuration does that. A section that may be empty has a box to switch it on."""
    fields = type(defaults).model_fields
    values: dict[str, Any] = {}
    places = st.columns(columns)
    plain = [name for name in fields if section_of(fields[name]) is None]
    for number, name in enumerate(plain):
        field = fields[name]
        default, place, widget_key = getattr(defaults, name), places[number % columns], f"{key}_{name}"
        label, help_text = _words(name), field.description
        if get_origin(field.annotation) is Literal:
            options = list(get_args(field.annotation))
            values[name] = place.selectbox(label, options, options.index(default), key=widget_key, help=help_text)
        elif field.annotation is bool:
            values[name] = place.checkbox(label, default, key=widget_key, help=help_text)
        elif field.annotation in (int, int | None):
            values[name] = place.number_input(label, value=default, step=1, key=widget_key, help=help_text)
        elif field.annotation in (float, float | None):
            value = None if default is None else float(default)
            step = 1.0 if value is None else value / 10 or 0.05
            values[name] = place.number_input(label, value=value, step=step, format="%.3g", key=widget_key, help=help_text)
        elif field.annotation == str | None:
            values[name] = place.text_input(label, default or "", key=widget_key, help=help_text) or None
        else:  # a list of numbers
            text = place.text_input(label, ", ".join(map(str, default or ())), key=widget_key, help=help_text)
            values[name] = text.replace(",", " ").split() or None
    for name, field in fields.items():
        section, inner = section_of(field), getattr(defaults, name)
        if section is None:
            continue
        if section is not field.annotation and not st.checkbox(
            _words(name), inner is not None, key=f"{key}_{name}", help=field.description
        ):
            values[name] = None
        else:
            st.caption(field.description)
            values[name] = settings_form(inner or section(), f"{key}_{name}", columns)
    return values


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()
