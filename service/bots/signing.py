"""Secrets of sources, by signature scheme. The schemes themselves are integrations: here is who makes their secrets."""

import base64
import re
import secrets

from service.errors import BadInput

STANDARD = "standard_webhooks"
UNSIGNED = "unsigned"
ISSUED = frozenset({"slack", "stripe", "chatwoot", "intercom", "zendesk"})  # the sender makes the secret, and shows it
SECRET_BYTES = 32
SECRET = re.compile(r"[\x21-\x7e]{8,500}")


def has_own_secret(scheme: str) -> bool:
    """Whether we make the secret, for the sender to be given."""
    return scheme not in ISSUED and scheme != UNSIGNED


def make_secret(scheme: str) -> str:
    """A new `whsec_…`; BadInput for a scheme whose secret is not ours to make."""
    if scheme == UNSIGNED:
        raise BadInput("an unsigned source has no secret", hint="`fencepost sources set` gives it a scheme")
    if scheme in ISSUED:
        raise BadInput(
            f"the secret of scheme {scheme!r} is made by the sender",
            hint="give it: --secret-file FILE, or `secret` over HTTP",
        )
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def check_secret(scheme: str, secret: str) -> str:
    """The secret as somebody gave it; BadInput where it can be none."""
    if scheme == UNSIGNED:
        raise BadInput("an unsigned source has no secret", path="secret")
    if not SECRET.fullmatch(secret):
        raise BadInput("a secret is one word of 8 to 500 ASCII characters", path="secret")
    if scheme == STANDARD and not 24 <= len(_decoded(secret)) <= 64:
        raise BadInput("a secret of Standard Webhooks is whsec_ and base64 of 24 to 64 bytes", path="secret")
    return secret


def _decoded(secret: str) -> bytes:
    """b"" where it is not base64."""
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        return b""
