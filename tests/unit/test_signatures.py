"""Every signature scheme, signed by tests/support/signing.py."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from integrations.webhooks.signatures import SCHEMES
from service.bots.signing import ISSUED, UNSIGNED, make_secret
from service.turns.intake import verify
from service.turns.parsing import SignatureError
from tests.support.signing import SIGNERS, Headers, unix

NOW = datetime(2026, 3, 2, 9, 15, 4, tzinfo=UTC)
BODY = '{"text": "où est ma carte"}'.encode()
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
OTHER = "whsec_" + base64.b64encode(b"o" * 32).decode()
CONTENT = f"sha256:{hashlib.sha256(BODY).hexdigest()}"


# What each scheme knows a delivery by.
KNOWN_BY = {
    "standard_webhooks": "d-1",
    "github": "d-1",
    "slack": CONTENT,
    "stripe": CONTENT,
    "chatwoot": "d-1",
    "intercom": CONTENT,
    "zendesk": CONTENT,
    "shared_key": CONTENT,
}
TIMED = ["standard_webhooks", "slack", "stripe", "chatwoot", "zendesk"]


def check(
    scheme: str, headers: Headers, *, body: bytes = BODY, secrets: tuple[str, ...] = (SECRET,), tolerance_s: int = 300
) -> str | None:
    """The delivery's id; None where it is refused."""
    verifier = partial(SCHEMES[scheme], secrets=secrets, now=NOW, tolerance_s=tolerance_s)
    try:
        return verify(verifier, body, headers)
    except SignatureError:
        return None


@pytest.mark.parametrize("scheme", KNOWN_BY)
def test_a_signed_delivery_has_an_id_and_any_secret_may_have_signed_it(scheme: str) -> None:
    sign, own_id = partial(SIGNERS[scheme], own_id="d-1"), KNOWN_BY[scheme]
    assert check(scheme, sign(SECRET, BODY, NOW)) == own_id
    assert check(scheme, sign(SECRET, BODY, NOW), secrets=(OTHER, SECRET)) == own_id
    assert check(scheme, sign(OTHER, BODY, NOW), secrets=(OTHER, SECRET)) == own_id


@pytest.mark.parametrize("scheme", KNOWN_BY)
def test_another_secret_another_body_no_secret_or_no_header_is_refused(scheme: str) -> None:
    sign = partial(SIGNERS[scheme], own_id="d-1")
    headers = sign(SECRET, BODY, NOW)
    assert check(scheme, headers, secrets=(OTHER,)) is None
    assert check(scheme, headers, secrets=()) is None
    assert scheme == "shared_key" or check(scheme, headers, body=BODY + b" ") is None
    for name in headers:
        rest = {other: value for other, value in headers.items() if other != name}
        is_unsigned_id = name in ("x-github-delivery", "x-chatwoot-delivery")
        assert check(scheme, rest) == (CONTENT if is_unsigned_id else None), name


@pytest.mark.parametrize("scheme", TIMED)
def test_how_old_a_signature_may_be_is_the_source_s(scheme: str) -> None:
    sign, own_id = partial(SIGNERS[scheme], own_id="d-1"), KNOWN_BY[scheme]
    for age_s, tolerance_s, expected in ((299, 300, own_id), (-299, 300, own_id), (301, 300, None), (-301, 300, None)):
        assert check(scheme, sign(SECRET, BODY, NOW - timedelta(seconds=age_s)), tolerance_s=tolerance_s) == expected
    assert check(scheme, sign(SECRET, BODY, NOW - timedelta(hours=20)), tolerance_s=86_400) == own_id
    assert check(scheme, sign(SECRET, BODY, NOW - timedelta(seconds=20)), tolerance_s=10) is None


@given(st.sampled_from(sorted(KNOWN_BY)), st.data())
def test_no_header_is_more_than_a_wrong_signature(scheme: str, data: st.DataObject) -> None:
    headers = SIGNERS[scheme](SECRET, BODY, NOW, "d-1")
    name = data.draw(st.sampled_from([name for name in headers if not name.endswith(("-id", "delivery"))]))
    garbage = data.draw(st.text(max_size=40) | st.sampled_from(["nan", "inf", "-1", "9" * 400, "v1", ",", "t=,v1="]))
    assert garbage.strip() == headers[name] or check(scheme, headers | {name: garbage}) is None


def test_an_unsigned_source_takes_everything_and_knows_it_by_its_content() -> None:
    assert check(UNSIGNED, {}, secrets=()) == CONTENT


def test_a_bearer_token_is_a_shared_key() -> None:
    assert check("shared_key", {"authorization": f"Bearer {SECRET}"}) == CONTENT
    assert check("shared_key", {"authorization": SECRET[:-1]}) is None


def test_an_empty_id_is_none() -> None:
    signature = Webhook(SECRET).sign("", NOW, BODY.decode())
    headers = {"webhook-id": "", "webhook-timestamp": unix(NOW), "webhook-signature": signature}
    assert check("standard_webhooks", headers) is None


def test_the_secrets_we_make_work_for_every_scheme_whose_secret_is_ours() -> None:
    assert set(SCHEMES) == set(KNOWN_BY) | {UNSIGNED}
    assert set(SCHEMES) >= ISSUED
    for scheme in set(KNOWN_BY) - ISSUED:
        secret = make_secret(scheme)
        assert check(scheme, SIGNERS[scheme](secret, BODY, NOW, "d-1"), secrets=(secret,)) is not None
