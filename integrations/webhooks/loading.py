"""JSON as Python objects, also where it is damaged or nests too deeply: what can be told apart is told apart."""

import json
import math
import re
from typing import Any

import msgspec

from service.turns.parsing import Fault

DEPTH = 200  # levels of nesting; the parsers themselves give up at about 1,000
DIGITS = 300  # a longer integer does not fit into a float; Python refuses to read 4,300 digits
TOO_DEEP = "\udfff too deep"  # stands for what was cut; no sender's text is kept that holds half of a surrogate pair
ROOT = "$"  # the path of a whole body

# An unterminated string matches to the end: otherwise each of its quotes would be tried anew, in quadratic time.
_TOKEN = re.compile(r'"(?:[^"\\]+|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)


def load(body: bytes) -> Any:
    """JSON as Python objects; Fault when it is not JSON.

    Invalid UTF-8 and halves of surrogate pairs stay in their texts as lone surrogates, for `check_characters` to find;
    what nests too deeply becomes TOO_DEEP.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _load_damaged(body.decode("utf-8", "surrogateescape"))


def _load_damaged(text: str) -> Any:
    try:
        return json.loads(prune(text), parse_int=_integer)
    except RecursionError as error:
        raise Fault("too-deep", ROOT, "the body nests too deeply") from error
    except ValueError as error:
        raise Fault("not-json", ROOT, "the body is not JSON") from error


def _integer(digits: str) -> float:
    return int(digits) if len(digits) <= DIGITS else math.inf


def prune(text: str) -> str:
    """The JSON with every value that nests deeper than DEPTH replaced by TOO_DEEP; one pass, no recursion."""
    stand_in = json.dumps(TOO_DEEP)
    pieces, depth, kept = [], 0, 0
    for token in _TOKEN.finditer(text):
        mark = text[token.start()]
        if mark in "[{":
            depth += 1
            if depth == DEPTH + 1:
                pieces.append(text[kept : token.start()])
        elif mark in "]}":
            if depth == DEPTH + 1:
                pieces.append(stand_in)
                kept = token.end()
            depth -= 1
    if depth > DEPTH:
        raise Fault("too-deep", ROOT, "the body nests too deeply")
    return "".join((*pieces, text[kept:]))


def check_depth(value: Any, path: str) -> None:
    """Fault when something inside was cut."""
    stack = [value]
    while stack:
        match stack.pop():
            case dict() as found:
                stack.extend(found.values())
            case list() as found:
                stack.extend(found)
            case str() as found if found == TOO_DEEP:
                raise Fault("too-deep", path, f"nests deeper than {DEPTH} levels")
