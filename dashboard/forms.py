"""Forms made from settings: a widget a field, with its default, its limits and its description as help."""

from typing import Any, Literal, get_args, get_origin

import streamlit as st

from core.settings import Settings


def settings_form(settings: type[Settings], defaults: Settings, key: str, columns: int = 4) -> dict[str, Any]:
    """Show every field of `settings` and return the values chosen, not yet checked: the configuration does that."""
    values: dict[str, Any] = {}
    places = st.columns(columns)
    for number, (name, field) in enumerate(settings.model_fields.items()):
        default, place, widget_key = getattr(defaults, name), places[number % columns], f"{key}_{name}"
        label, help_text = name.replace("_", " ").capitalize(), field.description
        if get_origin(field.annotation) is Literal:
            options = list(get_args(field.annotation))
            values[name] = place.selectbox(label, options, options.index(default), key=widget_key, help=help_text)
        elif field.annotation is bool:
            values[name] = place.checkbox(label, default, key=widget_key, help=help_text)
        elif field.annotation is int:
            values[name] = place.number_input(label, value=default, step=1, key=widget_key, help=help_text)
        else:
            values[name] = place.number_input(
                label,
                value=float(default),
                step=float(default) / 10 or 0.05,
                format="%.3g",
                key=widget_key,
                help=help_text,
            )
    return values
