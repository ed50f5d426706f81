"""A small OpenID provider for tests, on this machine: it shows a link for each person and believes whoever is clicked."""

import base64
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

from authlib.jose import JsonWebKey, jwt

PEOPLE = ("vera@example.org", "rita@example.org", "tom@example.org", "ada@example.org", "nobody@example.org")


class Provider:
    """client_id is "qa". Use it as a context manager."""

    def __init__(self) -> None:
        self._key = JsonWebKey.generate_key("RSA", 2048, {"kid": "one"}, is_private=True)
        self._codes: dict[str, tuple[str, str]] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                parts = urlsplit(self.path)
                query = {key: values[0] for key, values in parse_qs(parts.query).items()}
                if parts.path == "/.well-known/openid-configuration":
                    base = provider.address
                    about = {
                        name: f"{base}/{name.split('_')[0]}" for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
                    }
                    about |= {
                        "issuer": base,
                        "id_token_signing_alg_values_supported": ["RS256"],
                        "response_types_supported": ["code"],
                    }
                    self.say(json.dumps(about | {"subject_types_supported": ["public"]}), "application/json")
                elif parts.path == "/jwks":
                    self.say(json.dumps({"keys": [provider._key.as_dict(is_private=False)]}), "application/json")
                elif parts.path == "/authorization":
                    links = "".join(f'<p><a href="/chosen?{urlencode({**query, "who": who})}">{who}</a></p>' for who in PEOPLE)
                    self.say(f"<h1>Who are you?</h1>{links}", "text/html")
                elif parts.path == "/chosen":
                    code = secrets.token_hex(8)
                    provider._codes[code] = (query["who"], query.get("nonce", ""))
                    self.send_response(302)
                    answer = urlencode({"code": code, "state": query["state"]})
                    self.send_header("Location", f"{query['redirect_uri']}?{answer}")
                    self.end_headers()

            def do_POST(self):
                body = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                who, nonce = provider._codes.pop(body["code"][0])
                now = int(time.time())
                claims = {"iss": provider.address, "sub": who, "aud": "qa", "iat": now, "exp": now + 600, "nonce": nonce}
                claims |= {"email": who, "email_verified": True, "name": who.partition("@")[0].title()}
                token = jwt.encode({"alg": "RS256", "kid": "one"}, claims, provider._key).decode()
                self.say(json.dumps({"access_token": "a", "token_type": "Bearer", "id_token": token}), "application/json")

            def say(self, text, kind):
                content = text.encode()
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Provider":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def random_secret() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
