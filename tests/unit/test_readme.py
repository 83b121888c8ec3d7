"""The README says what is."""

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.request import Request

import pytest

from integrations.webhooks import PLATFORMS, signatures
from service.bots.sources import checked_options
from service.cli import markdown_lines
from tests.support.platforms import deliveries

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


def test_its_table_of_settings_is_the_one_the_code_has() -> None:
    assert "\n".join(markdown_lines()) in README


def test_its_pictures_are_there() -> None:
    names = [part.partition(")")[0] for part in README.split("![")[1:] for part in [part.partition("(")[2]]]
    assert names
    assert all((Path(__file__).parents[2] / name).is_file() for name in names)


def block(language: str, holds: str) -> str:
    """The code block that holds the words."""
    blocks = [part.partition("```")[0] for part in README.split(f"```{language}\n")[1:]]
    (found,) = (text for text in blocks if holds in text)
    return found


def test_its_lambda_signs_what_our_verifier_takes_and_the_adapter_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Request] = []
    taken = SimpleNamespace(close=lambda: None)
    monkeypatch.setattr("urllib.request.urlopen", lambda request, timeout: sent.append(request) or taken)
    secret = "whsec_" + "c2VjcmV0" * 6
    monkeypatch.setenv("FENCEPOST_SECRET", secret)
    monkeypatch.setenv("FENCEPOST_URL", "https://fencepost.example/webhooks/shop/lex")
    own: dict[str, Any] = {}
    exec(block("python", "def handler"), own)  # noqa: S102 - the README's own
    own["handler"](json.loads(deliveries("lex")[0]), SimpleNamespace(aws_request_id="request-1"))
    body, now = sent[0].data, datetime.now(UTC)
    headers = {name.lower(): value for name, value in sent[0].header_items()}  # as HTTP has them
    assert isinstance(body, bytes)
    named = signatures.standard_webhooks(body, headers, [secret], now=now, tolerance_s=300)
    assert named == "request-1"
    assert PLATFORMS["lex"].parse(body, delivery_id=named, received_at=now, options={}).facts


def test_its_field_map_is_one() -> None:
    options = json.loads(block("json", '"items": "data.messages"'))
    assert checked_options(PLATFORMS["generic"], options) == options
