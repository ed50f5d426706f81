"""Sign-in through a local OpenID provider, in Chromium, as each role."""

import os
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from data.workspace import Workspace
from docs.screenshots import settle
from tests.browser.oidc import Provider, random_secret
from training.commands.dashboard import server_command

ROOT = Path(__file__).parents[2]
PATIENCE_MS = 60_000
ROLES = {"vera@example.org": "viewer", "rita@example.org": "reviewer", "tom@example.org": "trainer"}


@pytest.fixture(scope="module")
def address(prepared, tmp_path_factory):
    root = shutil.copytree(prepared, tmp_path_factory.mktemp("signed") / "workspace")
    workspace = Workspace.open(root)
    for email, role in ROLES.items():
        workspace.store.set_role(email, role)
    workspace.store.close()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with Provider() as provider:
        environment = {
            "DRYWALL_QA_OIDC_METADATA_URL": f"{provider.address}/.well-known/openid-configuration",
            "DRYWALL_QA_OIDC_CLIENT_ID": "qa",
            "DRYWALL_QA_OIDC_CLIENT_SECRET": random_secret(),
            "DRYWALL_QA_OIDC_COOKIE_SECRET": random_secret(),
            "DRYWALL_QA_URL": f"http://127.0.0.1:{port}",
            "DRYWALL_QA_ADMINS": "ada@example.org",
        }
        command = server_command(root, port)
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **environment}
        )
        for _ in range(240):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1)
                break
            except OSError:
                time.sleep(0.25)
        yield f"http://127.0.0.1:{port}", root
        process.terminate()
        process.wait(20)


def signed_in(browser, address, who):
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(address)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name=who).click()
    page.get_by_text(who).first.wait_for()
    settle(page)
    return context, page


def test_nobody_sees_anything_before_signing_in(browser, address):
    page = browser.new_page()
    page.goto(f"{address[0]}/queue")
    page.get_by_role("button", name="Sign in").wait_for()
    settle(page)
    assert "samples wait" not in page.locator("[data-testid=stMainBlockContainer]").inner_text()
    page.close()


def test_who_has_no_role_is_told_so(browser, address):
    context, page = signed_in(browser, address[0], "nobody@example.org")
    assert "has no role here yet" in page.locator("[data-testid=stMainBlockContainer]").inner_text()
    context.close()


@pytest.mark.parametrize(("who", "may"), [("vera@example.org", False), ("rita@example.org", True), ("ada@example.org", True)])
def test_a_reviewer_takes_a_sample_and_a_viewer_may_not(browser, address, who, may):
    context, page = signed_in(browser, address[0], who)
    page.goto(f"{address[0]}/queue")
    settle(page)
    assert page.get_by_text(f"{who} · ").count() == 1
    page.get_by_role("button", name="Take the next").click()
    if may:
        page.wait_for_url("**/fix_masks*")
        settle(page)
        store = Workspace.open(address[1]).store
        assert who in {lease.reviewer for lease in store.leases().values()}
        store.close()
    else:
        page.get_by_text("needs the role reviewer").wait_for()
    context.close()


def test_an_admin_gives_a_role_and_the_log_has_it(browser, address):
    context, page = signed_in(browser, address[0], "ada@example.org")
    page.goto(f"{address[0]}/people")
    settle(page)
    page.get_by_label("Who", exact=True).fill("new@example.org")
    page.get_by_label("Who", exact=True).press("Enter")
    settle(page)
    page.get_by_role("button", name="Set").click()
    settle(page)
    store = Workspace.open(address[1]).store
    assert store.roles()["new@example.org"] == "viewer"
    assert store.audit(1)[0].actor == "ada@example.org"
    store.close()
    context.close()
