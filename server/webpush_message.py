"""One message to one browser: encrypted for it alone (RFC 8291), signed by this server (RFC 8292).

A push service carries what it cannot read, for a server that it can tell from others.
"""

from __future__ import annotations

import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CURVE = ec.SECP256R1()
RECORD_SIZE = 4096
VALID_FOR = 12 * 3600
"""Seconds that a signature holds: half of what push services take."""


@dataclass(frozen=True)
class Keys:
    """A browser's public key, and the secret that it shares with this server, as it names them."""

    p256dh: bytes
    auth: bytes

    @classmethod
    def parse(cls, p256dh: str, auth: str) -> Keys:
        """Return the keys; raises `ValueError` where nothing can be encrypted for them."""
        keys = cls(decoded(p256dh), decoded(auth))
        ec.EllipticCurvePublicKey.from_encoded_point(CURVE, keys.p256dh)
        if len(keys.auth) != 16:
            raise ValueError("The secret does not have 16 bytes.")
        return keys


class Signer:
    """Signs for one server; `secret` is its private key as `new_secret` gave it."""

    def __init__(self, secret: str, contact: str) -> None:
        self._key = ec.derive_private_key(int(secret, 16), CURVE)
        self._contact = contact
        self.public_key = encoded(_point(self._key))

    def authorization(self, origin: str, now: int) -> str:
        """Return the header for a push service at this origin; `now` is in seconds."""
        claims = {"aud": origin, "exp": now + VALID_FOR, "sub": self._contact}
        parts = [{"typ": "JWT", "alg": "ES256"}, claims]
        signed = ".".join(encoded(json.dumps(part).encode()) for part in parts)
        signature = self._key.sign(signed.encode(), ec.ECDSA(SHA256()))
        numbers = b"".join(it.to_bytes(32, "big") for it in decode_dss_signature(signature))
        return f"vapid t={signed}.{encoded(numbers)}, k={self.public_key}"


def new_secret() -> str:
    """Return a new private key for a server, as a hexadecimal number."""
    return f"{ec.generate_private_key(CURVE).private_numbers().private_value:064x}"


def encrypt(
    text: bytes, to: Keys, salt: bytes = b"", key: ec.EllipticCurvePrivateKey | None = None
) -> bytes:
    """Return the body that only the browser can read; `salt` and `key` are new where not given."""
    salt = salt or secrets.token_bytes(16)
    key = key or ec.generate_private_key(CURVE)
    own = _point(key)
    shared = key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(CURVE, to.p256dh))
    secret = _derived(shared, to.auth, b"WebPush: info\0" + to.p256dh + own, 32)
    content_key = _derived(secret, salt, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derived(secret, salt, b"Content-Encoding: nonce\0", 12)
    sealed = AESGCM(content_key).encrypt(nonce, text + b"\x02", None)
    return b"".join([salt, RECORD_SIZE.to_bytes(4, "big"), bytes([len(own)]), own, sealed])


def encoded(value: bytes) -> str:
    """Return bytes as browsers write them."""
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """Return the bytes that a browser wrote; raises `ValueError`."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _derived(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(secret)
