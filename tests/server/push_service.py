"""A push service on this machine: it takes messages for browsers, and reads them as those would.

It shares nothing with the code that encrypts and signs: it is written from RFC 8291 and 8292.
"""

from __future__ import annotations

import json
import secrets
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CURVE = ec.SECP256R1()


@dataclass
class Browser:
    """A browser that is subscribed; `messages` are those that came, decrypted."""

    endpoint: str
    client_id: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(CURVE))
    auth: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    messages: list[Any] = field(default_factory=list)

    @property
    def point(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def subscription(self) -> dict[str, Any]:
        """Return what the browser's page sends to its server."""
        keys = {"p256dh": to_text(self.point), "auth": to_text(self.auth)}
        return {"endpoint": self.endpoint, "keys": keys, "client_id": self.client_id}

    def read(self, body: bytes) -> bytes:
        """Return the text of a message, decrypted."""
        salt, length = body[:16], body[20]
        theirs, sealed = body[21 : 21 + length], body[21 + length :]
        point = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, theirs)
        shared = self.key.exchange(ec.ECDH(), point)
        info = b"WebPush: info\0" + self.point + theirs
        secret = derive(shared, self.auth, info, 32)
        key = derive(secret, salt, b"Content-Encoding: aes128gcm\0", 16)
        nonce = derive(secret, salt, b"Content-Encoding: nonce\0", 12)
        text = AESGCM(key).decrypt(nonce, sealed, None)
        assert text[-1:] == b"\x02"
        return text[:-1]


class PushService:
    """The service; `statuses` are what it answers next, 201 once there are none."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.browsers: dict[str, Browser] = {}
        self.statuses: list[int] = []
        self.headers: list[dict[str, str]] = []
        self.arrived = threading.Event()

    def subscribe(self, client_id: str) -> Browser:
        """Subscribe a browser of a device."""
        path = f"/send/{len(self.browsers)}"
        self.browsers[path] = Browser(self.url + path, client_id)
        return self.browsers[path]

    def take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        """Take a message for a browser; returns the status to answer."""
        self.headers.append(headers)
        status = self.statuses.pop(0) if self.statuses else 201
        if status == 201:
            check_signature(headers["authorization"], self.url)
            browser = self.browsers[path]
            browser.messages.append(json.loads(browser.read(body)))
        self.arrived.set()
        return status


@contextmanager
def running() -> Iterator[PushService]:
    """Run a service on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = service.take(self.path, headers, body)
            self.send_response(status)
            if status == 307:
                self.send_header("Location", f"{service.url}/elsewhere")
            if status == 429:
                self.send_header("Retry-After", "0")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: the test's own output is enough."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service = PushService(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield service
        server.shutdown()
        thread.join()


def check_signature(authorization: str, origin: str) -> None:
    """Check that a message is signed for this service, by the key that it names."""
    scheme, _, rest = authorization.partition(" ")
    fields = dict(part.strip().split("=", 1) for part in rest.split(","))
    signed, _, signature = fields["t"].rpartition(".")
    header, claims = (json.loads(from_text(part)) for part in signed.split("."))
    assert (scheme, header["alg"], claims["aud"]) == ("vapid", "ES256", origin)
    assert claims["sub"].startswith(("mailto:", "https:"))
    raw = from_text(signature)
    numbers = [int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")]
    key = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, from_text(fields["k"]))
    key.verify(encode_dss_signature(*numbers), signed.encode(), ec.ECDSA(SHA256()))


def derive(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(secret)


def to_text(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def from_text(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
