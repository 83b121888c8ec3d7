"""What fits in one frame of Socket Mode: slack_sdk's client writes a frame's length as 16 bits, and fails on a longer
answer, which then is none."""

import json
from collections.abc import Iterable

from integrations.slack.blocks.elements import Block

FRAME = 60_000  # bytes of 65,535: the rest is for what stands around


def size(given: object) -> int:
    """In bytes as slack_sdk encodes it: what is not ASCII takes six or twelve.

    >>> size("refund"), size("退款")
    (8, 14)
    """
    return len(json.dumps(given))


def fitting(found: Iterable[Block], room: int = FRAME) -> list[Block]:
    """The first of them, as many as fit.

    >>> fitting([{"value": "1"}, {"value": "2"}], room=20)
    [{'value': '1'}]
    """
    kept = []
    for one in found:
        room -= size([one])
        if room < 0:
            break
        kept.append(one)
    return kept
