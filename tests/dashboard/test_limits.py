"""Turns to look at photos."""

import pytest
import streamlit as st

from core.errors import DrywallError
from dashboard import limits
from dashboard.limits import look_slot


@pytest.fixture(autouse=True)
def fresh():
    st.cache_resource.clear()
    st.session_state.clear()


def test_a_visitor_looks_so_often_a_minute(monkeypatch):
    monkeypatch.setattr(limits, "A_MINUTE", 3)
    for _ in range(3):
        with look_slot():
            pass
    with pytest.raises(DrywallError, match="3 looks in a minute"), look_slot():
        pass
    monkeypatch.setattr(limits.time, "monotonic", lambda: 1e9)
    with look_slot():
        pass


def test_so_many_look_at_once_and_a_failed_look_gives_its_turn_back(monkeypatch):
    monkeypatch.setattr(limits, "WAIT_SECONDS", 0.05)
    with look_slot(), look_slot(), pytest.raises(DrywallError, match="keep the model busy"), look_slot():
        pass
    with pytest.raises(ValueError, match="oops"), look_slot():
        raise ValueError("oops")
    with look_slot(), look_slot():
        pass
