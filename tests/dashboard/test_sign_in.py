"""What the environment says of sign-in, before anybody does."""

import pytest

from core.errors import ConfigError
from dashboard.sign_in import admins, auth_secrets

WHOLE = {
    "DRYWALL_QA_OIDC_METADATA_URL": "https://id.example.org/.well-known/openid-configuration",
    "DRYWALL_QA_OIDC_CLIENT_ID": "qa",
    "DRYWALL_QA_OIDC_CLIENT_SECRET": "s" * 20,
    "DRYWALL_QA_OIDC_COOKIE_SECRET": "c" * 32,
    "DRYWALL_QA_URL": "https://qa.example.org/",
}


@pytest.fixture
def configured(monkeypatch):
    for name, value in WHOLE.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_nothing_configured_is_no_sign_in():
    assert auth_secrets() is None


def test_a_whole_configuration_is_what_streamlit_needs(configured):
    found = auth_secrets()
    assert found["redirect_uri"] == "https://qa.example.org/oauth2callback"
    assert found["client_id"] == "qa"


@pytest.mark.parametrize("missing", sorted(WHOLE))
def test_half_of_it_is_refused_and_named(configured, missing):
    configured.delenv(missing)
    with pytest.raises(ConfigError, match=missing):
        auth_secrets()


def test_a_short_cookie_secret_is_refused(configured):
    configured.setenv("DRYWALL_QA_OIDC_COOKIE_SECRET", "short")
    with pytest.raises(ConfigError, match="32 letters"):
        auth_secrets()


def test_the_first_admins_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("DRYWALL_QA_ADMINS", "Ann@example.org, bob@example.org")
    assert admins() == {"ann@example.org", "bob@example.org"}
