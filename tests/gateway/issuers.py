"""Real keys and small real HTTP servers on loopback for tests of signing in."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()


def jwk(key: PrivateKey, kid: str | None, **extra: str) -> dict[str, Any]:
    """Return the public JSON Web Key of a key."""
    algorithms = jwt.algorithms.get_default_algorithms()
    if isinstance(key, rsa.RSAPrivateKey):
        made = algorithms["RS256"].to_jwk(key.public_key(), as_dict=True)
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        made = algorithms["ES256"].to_jwk(key.public_key(), as_dict=True)
    else:
        made = algorithms["EdDSA"].to_jwk(key.public_key(), as_dict=True)
    made.pop("key_ops", None)
    return {**made, **({"kid": kid} if kid else {}), **extra}


class Site:
    """A loopback HTTP server that answers what it is told and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[tuple[str, str]] = []
        site = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append((self.path, self.headers.get("Authorization", "")))
                found = site.answers.get(
                    f"{self.path} {self.headers.get('Authorization', '')}",
                    site.answers.get(self.path, (404, {}, b"{}")),
                )
                status, headers, body = found
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def say(self, path: str, data: Any, status: int = 200, **headers: str) -> None:
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.answers[path] = (status, headers, body)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def a_site() -> Iterator[Site]:
    site = Site()
    try:
        yield site
    finally:
        site.close()
