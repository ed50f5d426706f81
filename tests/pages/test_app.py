"""The application as a whole, through its entry: what stays when the page changes."""

from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard import state

ROOT = Path(__file__).parents[2]


@pytest.fixture
def app(workspace, monkeypatch):
    monkeypatch.setenv("DRYWALL_QA_WORKSPACE", str(workspace.root))
    monkeypatch.setattr("sys.argv", ["app"])
    state._opened.clear()
    return AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=180)


def name_on(app, page, name=None):
    app.switch_page(str(ROOT / "pages" / f"{page}.py")).run()
    assert not app.exception
    if name is not None:
        app.text_input(key="reviewer").set_value(name).run()
    return app.text_input(key="reviewer").value


def test_the_name_typed_on_one_page_is_on_all_others(app, store):
    app.run()
    assert name_on(app, "queue", "Ann") == "Ann"
    next(button for button in app.button if button.label == "Take the next").click().run()
    assert app.text_input(key="reviewer").value == "Ann"
    assert [lease.reviewer for lease in store.leases().values()] == ["Ann"]
    assert name_on(app, "reviewers") == "Ann"
    app.switch_page(str(ROOT / "pages" / "metrics.py")).run()  # asks for no name
    assert name_on(app, "exchange", "Bob") == "Bob"
    assert name_on(app, "fix_masks") == "Bob"
    assert name_on(app, "queue", "") == ""
    assert name_on(app, "fix_masks") == ""


@pytest.mark.parametrize(
    ("address", "cookie", "name"),
    [({}, "Zo%C3%AB", "Zoë"), ({"reviewer": "Ann"}, "Bob", "Ann"), ({}, None, "")],
    ids=["from-the-cookie", "the-address-first", "nobody-yet"],
)
def test_a_name_is_there_from_the_first_page_on(app, monkeypatch, address, cookie, name):
    cookies = {} if cookie is None else {state.REVIEWER_COOKIE: cookie}
    monkeypatch.setattr(type(st.context), "cookies", property(lambda _: cookies))
    app.query_params.update(address)
    app.run()
    app.switch_page(str(ROOT / "pages" / "queue.py"))
    app.query_params.update(address)
    assert app.run().text_input(key="reviewer").value == name
