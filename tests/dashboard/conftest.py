"""The dashboard's parts outside of a dashboard: a workspace they open, and the media files they would serve."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit import runtime
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage


@pytest.fixture
def workspace(workspace, on_the_pages):
    on_the_pages(workspace.root)
    return workspace


@pytest.fixture
def served(monkeypatch):
    """Call it with an address that the dashboard gave out to get the bytes a browser would."""
    storage = MemoryMediaFileStorage("/media")
    monkeypatch.setattr(runtime, "get_instance", lambda: SimpleNamespace(media_file_mgr=MediaFileManager(storage)))

    def fetch(address: str, as_json: bool = False) -> Any:
        content = storage.get_file(address.removeprefix("/media/")).content
        return json.loads(content) if as_json else content

    return fetch
