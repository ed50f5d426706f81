"""Forms made from settings: a widget a field, with its default, its limits and its description as help."""

from typing import Any, Literal, get_args, get_origin

import streamlit as st

from core.settings import Settings


def settings_form(
    settings: type[Settings], defaults: Settings, key: str, columns: int = 4, fields: tuple[str, ...] | None = None
) -> dict[str, Any]:
    """Show every field of `settings`, or those named; return the values chosen, not yet checked: the configuration does that."""
    values: dict[str, Any] = {}
    places = st.columns(columns)
    for number, name in enumerate(fields or settings.model_fields):
        field = settings.model_fields[name]
        default, place, widget_key = getattr(defaults, name), places[number % columns], f"{key}_{name}"
        label, help_text = name.replace("_", " ").capitalize(), field.description
        if get_origin(field.annotation) is Literal:
            options = list(get_args(field.annotation))
            values[name] = place.selectbox(label, options, options.index(default), key=widget_key, help=help_text)
        elif field.annotation is bool:
            values[name] = place.checkbox(label, default, key=widget_key, help=help_text)
        elif field.annotation in (int, int | None):
            values[name] = place.number_input(label, value=default, step=1, key=widget_key, help=help_text)
        elif field.annotation is float:
            values[name] = place.number_input(
                label, value=float(default), step=float(default) / 10 or 0.05, format="%.3g", key=widget_key, help=help_text
            )
        elif field.annotation == str | None:
            values[name] = place.text_input(label, default or "", key=widget_key, help=help_text) or None
        else:  # a list of numbers
            text = place.text_input(label, ", ".join(map(str, default or ())), key=widget_key, help=help_text)
            values[name] = text.replace(",", " ").split() or None
    return values
