"""Limits on what visitors may ask for, so that one does not take the machine from the others."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from core.errors import DrywallError

AT_ONCE, A_MINUTE, WAIT_SECONDS = 2, 30, 60.0


@st.cache_resource(show_spinner=False)
def _slots() -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(AT_ONCE)


@contextmanager
def look_slot() -> Iterator[None]:
    """A turn to look at a photo. Raises DrywallError where a visitor has looked too often in a minute, or others keep the machine
    busy for too long."""
    now, looks = time.monotonic(), st.session_state.setdefault("looks", [])
    looks[:] = [moment for moment in looks if now - moment < 60]
    if len(looks) >= A_MINUTE:
        raise DrywallError(f"that were {A_MINUTE} looks in a minute; wait a little")
    looks.append(now)
    if not _slots().acquire(timeout=WAIT_SECONDS):
        raise DrywallError("others keep the model busy; try again in a minute")
    try:
        yield
    finally:
        _slots().release()
