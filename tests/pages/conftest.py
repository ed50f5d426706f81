"""AppTest has no browser behind it, so no cookies: its stand-in for the request cannot be copied."""

import pytest
import streamlit as st


@pytest.fixture(autouse=True)
def no_cookies(monkeypatch):
    monkeypatch.setattr(type(st.context), "cookies", property(lambda _: {}))
