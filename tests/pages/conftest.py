"""The pages under AppTest. It has no browser behind it, so no cookies: its stand-in for the request cannot be copied."""

import shutil
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from data.workspace import Workspace

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def no_cookies(monkeypatch):
    monkeypatch.setattr(type(st.context), "cookies", property(lambda _: {}))


@pytest.fixture
def workspace(workspace, on_the_pages):
    """The workspace that the pages see."""
    on_the_pages(workspace.root)
    return workspace


@pytest.fixture
def trained_workspace(trained_once, tmp_path, on_the_pages):
    """As `workspace`, with one finished and scored run."""
    copy = Workspace.open(shutil.copytree(trained_once[0], tmp_path / "trained"))
    on_the_pages(copy.root)
    return copy


@pytest.fixture(scope="session")
def show():
    """show("failures", run="..."): the page after its first run; the query is its address."""

    def run(name: str, **query: str) -> AppTest:
        entry = "dashboard/app.py" if name == "overview" else f"pages/{name}.py"  # links to pages need the navigation around them
        app = AppTest.from_file(str(ROOT / entry), default_timeout=180)
        for key, value in query.items():
            app.query_params[key] = value
        return app.run()

    return run
