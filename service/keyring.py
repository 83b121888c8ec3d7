"""One master key, from the environment or a file in the data folder, and the keys derived from it.

Losing the key loses what is still in a stream, the sources' secrets and the meaning of person hashes; nothing else.
Rotate it with an empty stream."""

import base64
import hmac
import os
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from service.errors import ConfigError, FencepostError
from service.settings import Settings

KEY_BYTES = 32
NONCE_BYTES = 12


class Undecipherable(FencepostError):
    """Sealed with another key, or damaged."""

    type = "undecipherable"


class Keyring:
    """Seals, opens and hashes. Each purpose has its own key: HMAC-SHA256(master, purpose)."""

    def __init__(self, master: bytes) -> None:
        self._master = master

    def __repr__(self) -> str:
        return "Keyring(****)"

    def _key(self, purpose: str) -> bytes:
        return hmac.digest(self._master, purpose.encode(), sha256)

    def seal(self, purpose: str, data: bytes) -> bytes:
        """Nonce, then AES-256-GCM of the data; `purpose` is bound to it."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + AESGCM(self._key(purpose)).encrypt(nonce, data, purpose.encode())

    def open(self, purpose: str, sealed: bytes) -> bytes:
        try:
            return AESGCM(self._key(purpose)).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], purpose.encode())
        except (InvalidTag, ValueError) as error:
            raise Undecipherable("sealed with another key, or damaged", hint="check FENCEPOST_STREAM_KEY") from error

    def hash(self, purpose: str, *parts: str) -> bytes:
        """32 bytes; parts are length-prefixed, so ("ab", "c") and ("a", "bc") differ."""
        message = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
        return hmac.digest(self._key(purpose), message, sha256)

    def fraction(self, purpose: str, *parts: str) -> float:
        """A hash read as a number in [0, 1): the same parts, the same number."""
        return int.from_bytes(self.hash(purpose, *parts)[:7], "big") / 2**56


def load_keyring(settings: Settings) -> Keyring:
    """From FENCEPOST_STREAM_KEY, else from `stream.key` in the data folder, made on first use with mode 600."""
    if settings.stream_key:
        return Keyring(_decode(settings.stream_key))
    path = settings.folder / "stream.key"
    if not path.exists():
        _create(path)
    return Keyring(_decode(path.read_text("ascii")))


def _decode(text: str) -> bytes:
    try:
        master = base64.b64decode(text.strip(), validate=True)
    except ValueError as error:
        raise ConfigError("FENCEPOST_STREAM_KEY is not base64") from error
    if len(master) != KEY_BYTES:
        raise ConfigError(
            f"FENCEPOST_STREAM_KEY has {len(master)} bytes, not {KEY_BYTES}: `openssl rand -base64 32` makes one"
        )
    return master


def _create(path: Path) -> None:
    """Write the whole key to a file of our own, then link it into place: of two processes that start at once one wins,
    whole."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(os.urandom(KEY_BYTES)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
