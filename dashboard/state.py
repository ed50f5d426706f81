"""What every page needs: the workspace, the reviewer, addresses that can be shared, and errors as sentences."""

import argparse
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pandas as pd
import streamlit as st

from core.errors import DrywallError
from core.models.names import ALLOWED_VARIABLE, COMPACT, PUBLISHED
from dashboard.sign_in import admins, auth_secrets
from data.store.actors import Actor
from data.store.records import Run
from data.store.scores import Place
from data.store.store import Store
from data.workspace import Workspace, default_root

ROOT = Path(__file__).parent.parent
REVIEWER_COOKIE = "drywall_qa_reviewer"
_cookie = st.components.v2.component(
    "drywall_qa.cookie",
    js="""export default ({ data: { cookie, value } }) => {
  document.cookie = `${cookie}=${encodeURIComponent(value)}; path=/; max-age=${value ? 31536000 : 0}; SameSite=Lax`;
}""",
)


@st.cache_resource
def _opened(root: str) -> Workspace:
    workspace = Workspace.open(Path(root))
    _ = workspace.store  # opened now, so that no two visitors do
    return workspace


def open_workspace() -> Workspace:
    """The workspace named on the command line, or the default one, for the person who is signed in: what is written through it is
    theirs and goes as far as their role. One connection pool for all visitors.

    Where people sign in and this one has not, the page ends with a button to do so.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--workspace", type=Path, default=default_root())
    shared = _opened(str(parser.parse_known_args(sys.argv[1:])[0].workspace))
    if auth_secrets() is None:
        return shared
    own = Workspace(shared.root)
    vars(own)["store"] = shared.store.acting_as(_signed_in(shared.store))
    return own


def _signed_in(store: Store) -> Actor:
    if not st.user.is_logged_in:
        st.title("Drywall QA")
        st.button("Sign in", type="primary", icon=":material/login:", on_click=st.login)
        st.stop()
    email = str(st.user.get("email") or "").lower()
    verified = st.user.get("email_verified", True) is True
    role = "admin" if email in admins() else store.roles().get(email, "")
    if not (email and verified and role):
        st.title("Drywall QA")
        why = "has no role here yet: ask an admin for one" if email and verified else "came without a verified e-mail address"
        st.warning(f"{plain(email or 'Your sign-in')} {why}.", icon=":material/lock:")
        st.button("Sign out", icon=":material/logout:", on_click=st.logout)
        st.stop()
    return Actor(email, role)


def show_who() -> None:
    """Who is signed in, and a way out; nothing where nobody does."""
    actor = open_workspace().store.actor  # before any page: who is not signed in sees none
    if actor.name:
        with st.sidebar:
            st.caption(f"{plain(actor.name)} · {actor.role}")
            st.button("Sign out", icon=":material/logout:", on_click=st.logout)


def page(name: str) -> str:
    """The path `st.switch_page` and `st.page_link` take."""
    return str(ROOT / "pages" / f"{name}.py")


def go_to(name: str, **query: Any) -> None:
    """Open a page on something; its address then says what is shown."""
    st.switch_page(page(name), query_params={key: str(value) for key, value in query.items() if value is not None})


def pick(label: str, options: list[Any], key: str, *, where: Any = st, **keywords: Any) -> Any:
    """A select box whose choice stands in the page's address under `key`."""
    wanted = st.query_params.get(key)
    index = next((number for number, option in enumerate(options) if str(option) == wanted), 0)
    choice = where.selectbox(label, options, index=index, key=f"pick_{key}_{wanted}", **keywords)
    if choice is not None and str(choice) != wanted:
        st.query_params[key] = str(choice)
    return choice


def pick_run(runs: Iterable[Run], label: str = "Run", key: str = "run", *, where: Any = st) -> str:
    """The id of one of the runs, which stand by name; the choice stands in the page's address under `key`."""
    names = {run.id: f"{run.name} · {run.label_set} ({run.id})" for run in runs}
    return pick(label, list(names), key, where=where, format_func=names.get)


def pick_range(label: str, key: str, *, where: Any = st) -> tuple[float, float]:
    """A slider over [0, 1] whose two ends stand in the page's address under `key`, as `0.2-0.6`; all of it is left out."""
    wanted = st.query_params.get(key, "")
    low, high = _range_of(wanted)
    chosen = where.slider(label, 0.0, 1.0, (low, high), 0.05, key=f"pick_{key}_{wanted}")
    if chosen != (low, high):
        st.query_params[key] = f"{chosen[0]:g}-{chosen[1]:g}"
        if chosen == (0.0, 1.0):
            del st.query_params[key]
    return chosen


def _range_of(text: str) -> tuple[float, float]:
    ends = re.fullmatch(r"(\d(?:\.\d+)?)-(\d(?:\.\d+)?)", text)
    low, high = (float(end) for end in ends.groups()) if ends else (0.0, 1.0)
    return (low, high) if low <= high <= 1 else (0.0, 1.0)


def pick_number(label: str, key: str, most: int) -> int:
    """A number from 1 to `most` that stands in the page's address under `key`; 1 is left out."""
    wanted = st.query_params.get(key, "")
    start = min(max(1, int(wanted)), most) if wanted.isdecimal() else 1
    number = st.number_input(label, 1, most, start, width=140, key=f"pick_{key}_{wanted}_{most}")
    if number != start:
        st.query_params[key] = str(number)
    return number


def place_in_order() -> tuple[Place | None, bool, int]:
    """Where a gallery's page begins, as its address says: after which place, or backwards from it, and the number of its first
    sample, for people."""
    first = st.query_params.get("at", "")
    place = Place.from_text(st.query_params.get("after", ""))
    return place, st.query_params.get("back") == "1", int(first) if place and first.isdecimal() else 1


def forget_place() -> None:
    """The gallery begins at its first page."""
    for key in ("after", "back", "at"):
        st.query_params.pop(key, None)


def turn_pages(page: pd.DataFrame, by: str, first: int, total: int) -> None:
    """Buttons to the first, the previous and the next page of an order; page: what is shown. Columns used: sample_id and `by`."""
    last = first + len(page) - 1
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{first} to {last} of {total}", width="content")
        to_first = st.button("First", icon=":material/first_page:", disabled=first <= 1)
        previous = st.button("Previous", icon=":material/chevron_left:", disabled=first <= 1)
        following = st.button("Next", icon=":material/chevron_right:", disabled=last >= total)
    if not (to_first or previous or following):
        return
    forget_place()
    if not to_first:
        end = page.iloc[-1 if following else 0]
        start = last + 1 if following else max(1, first - len(page))
        st.query_params.update({"after": str(Place(float(end[by]), int(end["sample_id"]))), "at": str(start)})
        if previous:
            st.query_params["back"] = "1"
    st.rerun()


def reviewer() -> str:
    """The reviewer's name: of who signed in, else asked for once in the side bar.

    What was typed into a widget is gone on the next page, so the session keeps the name, and the browser for the next time.
    """
    actor = open_workspace().store.actor
    if actor.name:
        return actor.name
    if "name" not in st.session_state:
        st.session_state["name"] = st.query_params.get("reviewer", unquote(st.context.cookies.get(REVIEWER_COOKIE, "")))
    st.session_state["reviewer"] = st.session_state["name"]
    with st.sidebar:
        name = st.text_input("Your name", key="reviewer", placeholder="shown beside what you save", on_change=_keep_name)
        _cookie(key="name_cookie", data={"cookie": REVIEWER_COOKIE, "value": name.strip()})
    return name


def _keep_name() -> None:
    st.session_state["name"] = st.session_state["reviewer"]


def plain(text: object) -> str:
    """A text from outside, such as a file's or a person's name, as it stands: nothing in it is markup for Streamlit's Markdown."""
    return _MARKUP.sub(lambda found: "\\" + found[0], " ".join(str(text).split()))


_MARKUP = re.compile(r"[\\`*_{}\[\]()#+!|<>~$:&]")


def allowed_checkpoints() -> list[str]:
    """The checkpoints that pages may name besides a workspace's runs: the shipped and the published one, and what the environment
    allows. A path or hub id from a browser is nobody's to load."""
    return [COMPACT, PUBLISHED, *os.environ.get(ALLOWED_VARIABLE, "").split()]


def say_after_rerun(sentence: str) -> None:
    """Run the page again, then show the sentence for a moment."""
    st.session_state["sentence"] = sentence
    st.rerun()


def show_said() -> None:
    """Show what `say_after_rerun` left."""
    if "sentence" in st.session_state:
        st.toast(st.session_state.pop("sentence"), icon=":material/check:")


@contextmanager
def in_place() -> Iterator[None]:
    """Show an expected failure as its sentence where it happened; the page goes on with the rest."""
    try:
        yield
    except DrywallError as error:
        st.warning(plain(error), icon=":material/broken_image:")


@contextmanager
def sentences() -> Iterator[None]:
    """Show an expected failure as its sentence instead of a traceback, and end the page there."""
    try:
        yield
    except DrywallError as error:
        st.error(plain(error), icon=":material/error:")
        st.stop()
