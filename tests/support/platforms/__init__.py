"""Deliveries of each platform, written after the page that publishes its format: `NAME.json` names the page.

A source that needs options has them there too.
"""

import importlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from service.turns.parsing import Parsed
from tests.support.parsed import parsed

FOLDER = Path(__file__).parent


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def deliveries(name: str) -> list[bytes]:
    """The bodies of one platform's POSTs, in order."""
    return [json.dumps(body).encode() for body in _golden(name)["deliveries"]]


def options(name: str) -> dict[str, Any]:
    found: dict[str, Any] = _golden(name).get("options", {})
    return found


@cache
def _golden(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_bytes())
    return found


def understood(name: str, body: object, **sent: Any) -> Parsed:
    """What the platform's adapter makes of a body, checked; `sent`: delivery_id, received_at."""
    parse = importlib.import_module(f"integrations.webhooks.{name}").parse
    return parsed(parse, body, options=options(name), **sent)
