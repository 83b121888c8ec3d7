"""Deliveries of each platform, written after the page that publishes its format: `NAME.json` names the page."""

import json
from pathlib import Path

FOLDER = Path(__file__).parent


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def deliveries(name: str) -> list[bytes]:
    """The bodies of one platform's POSTs, in order."""
    found = json.loads((FOLDER / f"{name}.json").read_bytes())
    return [json.dumps(body).encode() for body in found["deliveries"]]
