"""An identity provider for tests: small, strict, and able to lie in every way that a token can."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "mri-gateway", "hush: a secret/with+signs"
OURS = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})
"""Made once: it takes a while."""
OTHERS = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})

Claims = dict[str, Any]


@dataclass
class SmallProvider:
    """One realm with one person at a time in front of the screen."""

    url: str
    person: Claims = field(
        default_factory=lambda: {"sub": "4711", "preferred_username": "maria", "groups": ["radiographers"]}
    )
    lie: Callable[[Claims], Claims] = dict
    """Changes the claims of a token before it is signed."""
    sign: Callable[[Claims], str] = field(
        default=lambda claims: jwt.encode({"alg": "RS256", "kid": "first"}, claims, OURS)
    )
    metadata: Claims = field(default_factory=dict)
    """What discovery says otherwise."""
    asks: bool = False
    """Whether a person has to press a button, or is known already."""
    told_later: tuple[str, ...] = ()
    """Claims that only userinfo tells."""
    down: bool = False
    asked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def discovery(self) -> Claims:
        here = {name: f"{self.url}/{place}" for name, place in PLACES.items()}
        return {"issuer": self.url, **here, **self.metadata}

    def authorize(self, query: dict[str, str]) -> str:
        """Let the person in, and say where the browser goes on."""
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(8)
        self.codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def token(self, form: dict[str, str], authorization: str) -> Claims | None:
        query = self.codes.pop(form.get("code", ""), None)
        pair = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        if query is None or pair != f"{CLIENT}:hush%3A+a+secret%2Fwith%2Bsigns":
            return None
        digest = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        if digest != query["code_challenge"] or form["redirect_uri"] != query["redirect_uri"]:
            return None
        now = int(time.time())
        known = {key: value for key, value in self.person.items() if key not in self.told_later}
        claims = {"iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": query["nonce"], **known}
        return {"access_token": "access", "token_type": "Bearer", "id_token": self.sign(self.lie(claims))}


PLACES = {
    "authorization_endpoint": "authorize",
    "token_endpoint": "token",
    "jwks_uri": "keys",
    "userinfo_endpoint": "userinfo",
    "end_session_endpoint": "leave",
}


class _Handler(BaseHTTPRequestHandler):
    realm: SmallProvider

    def do_GET(self) -> None:
        where = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(where.query).items()}
        self.realm.asked.append(where.path)
        if self.realm.down:
            self._answer(503, b"")
        elif where.path == "/.well-known/openid-configuration":
            self._json(self.realm.discovery())
        elif where.path == "/keys":
            self._json({"keys": [OURS.as_dict(private=False)]})
        elif where.path == "/userinfo" and self.headers["Authorization"] == "Bearer access":
            self._json(self.realm.person)
        elif where.path == "/authorize" and self.realm.asks and "pressed" not in query:
            fields = "".join(f'<input type="hidden" name="{key}" value="{value}">' for key, value in query.items())
            page = f'<form>{fields}<button name="pressed" value="1">I am Maria</button></form>'
            self._answer(200, page.encode(), ("Content-Type", "text/html"))
        elif where.path == "/authorize":
            self._answer(302, b"", ("Location", self.realm.authorize(query)))
        elif where.path == "/leave":
            self._answer(302, b"", ("Location", query["post_logout_redirect_uri"]))
        else:
            self._answer(404, b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {key: values[0] for key, values in parse_qs(body).items()}
        answer = self.realm.token(form, self.headers["Authorization"] or "")
        self._json({"error": "invalid_grant"}, 400) if answer is None else self._json(answer)

    def _json(self, told: Claims, status: int = 200) -> None:
        self._answer(status, json.dumps(told).encode(), ("Content-Type", "application/json"))

    def _answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@contextmanager
def running_provider() -> Iterator[SmallProvider]:
    """Serve it on a socket of its own."""

    class Handler(_Handler):
        """With a realm of its own."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Handler.realm = SmallProvider(url=f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield Handler.realm
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
