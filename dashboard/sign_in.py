"""Sign-in through OpenID Connect, as the environment configures it; without it the dashboard is for whoever sits at this machine.

Secrets come from the environment alone and are handed to Streamlit's own sign-in; nothing of them is written anywhere.
"""

import os
from typing import Any

from core.errors import ConfigError

_PREFIX = "DRYWALL_QA_OIDC_"
_NEEDED = ("METADATA_URL", "CLIENT_ID", "CLIENT_SECRET", "COOKIE_SECRET")
URL_VARIABLE, ADMINS_VARIABLE = "DRYWALL_QA_URL", "DRYWALL_QA_ADMINS"
_SHORTEST_SECRET = 32


def auth_secrets() -> dict[str, Any] | None:
    """What `st.login` needs, None where nothing is configured. Raises ConfigError where some of it is."""
    values = {name: os.environ.get(f"{_PREFIX}{name}", "") for name in _NEEDED}
    url = os.environ.get(URL_VARIABLE, "").rstrip("/")
    if not any(values.values()):
        return None
    missing = [f"{_PREFIX}{name}" for name in _NEEDED if not values[name]] + ([] if url else [URL_VARIABLE])
    if missing:
        raise ConfigError(f"sign-in is configured in part; set {', '.join(missing)} too (docs/security.md)")
    if len(values["COOKIE_SECRET"]) < _SHORTEST_SECRET:
        raise ConfigError(
            f"{_PREFIX}COOKIE_SECRET must have {_SHORTEST_SECRET} letters or more; make one with openssl rand -hex 32"
        )
    return {
        "redirect_uri": f"{url}/oauth2callback",
        "cookie_secret": values["COOKIE_SECRET"],
        "client_id": values["CLIENT_ID"],
        "client_secret": values["CLIENT_SECRET"],
        "server_metadata_url": values["METADATA_URL"],
    }


def admins() -> set[str]:
    """The addresses that are admins whatever the table says: somebody has to give the first roles."""
    return {email.lower() for email in os.environ.get(ADMINS_VARIABLE, "").replace(",", " ").split()}
