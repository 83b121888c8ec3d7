"""Labelling functions in YAML: a list of mappings, each with `name`, `kind` and the fields of its kind.

    - {name: says refund, kind: keywords, intent: refund, words: [refund, money back]}
    - {name: where is it, kind: regex, intent: track_order, pattern: 'where.*(parcel|order)'}
    - {name: platform, kind: platform_intent, min_score: 0.9}
    - {name: alike, kind: nearest, min_cosine: 0.85}

Read without YAML's guesses about types, so that `yes` is a word; a fault names the function, its field and the mend.
"""

from collections.abc import Hashable, Sequence
from typing import Any

import msgspec
import yaml

from service.bots import patterns
from service.bots.schemas import Pattern
from service.errors import BadInput
from service.weak.schemas import AnyFunction, Keywords, Regex

SIZE_LIMIT = 64 * 1024  # bytes
MOST = 100  # functions of a bot
KINDS = "a function has a name, a kind (keywords, regex, platform_intent, nearest) and the fields of its kind"
EXAMPLE = "- {name: says refund, kind: keywords, intent: refund, words: [refund, money back]}"


class _Loader(yaml.BaseLoader):
    """Every scalar is text; a key that stands twice is refused."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        found = super().construct_mapping(node, deep)
        if len(found) < len(node.value):
            raise yaml.MarkedYAMLError(problem="a key stands twice in one mapping", problem_mark=node.start_mark)
        return found


def parse(data: bytes) -> list[AnyFunction]:
    """BadInput for what is no set of functions. Whether the intents exist and the patterns end is not asked here.
    Nothing, or an empty list, is no function."""
    items = _load(data)
    if not isinstance(items, list):
        raise BadInput("this is no list of functions", hint=f"write one a line: {EXAMPLE}")
    if len(items) > MOST:
        raise BadInput(f"there are {len(items)} functions", hint=f"at most {MOST}")
    functions = [_function(item, number) for number, item in enumerate(items, 1)]
    _check_names(functions)
    for function in functions:
        if isinstance(function, Keywords) and not all(map(str.strip, function.words)):
            raise BadInput("one of the words is blank", path=f"{function.name}.words", hint="remove it")
    return functions


def try_out(functions: Sequence[AnyFunction]) -> None:
    """BadInput for a pattern that does not compile, matches everything or may not end; a bad one takes a second."""
    for function in functions:
        if isinstance(function, Regex):
            patterns.check(pattern_of(function), f"{function.name}.pattern")


def pattern_of(function: Regex) -> Pattern:
    return Pattern(repr(function.name), f"(?i){function.pattern}")


def _load(data: bytes) -> Any:
    if len(data) > SIZE_LIMIT:
        raise BadInput(f"{len(data)} bytes are too many", hint=f"at most {SIZE_LIMIT}")
    try:
        found = yaml.load(_decoded(data), Loader=_Loader)  # noqa: S506  # makes nothing but text, lists and mappings
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BadInput(
            f"not YAML: {error.problem}", path=f"line {line}", hint="quote texts with : # [ { in them"
        ) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise BadInput("not YAML", hint=f"one function a line: {EXAMPLE}") from error
    return [] if found is None else found


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise BadInput("this is not UTF-8", hint="save it as UTF-8, not as UTF-16 or Latin-1") from error


def _function(item: Any, number: int) -> AnyFunction:
    name = item.get("name") if isinstance(item, dict) else None
    where = name if isinstance(name, str) and name else f"function {number}"
    try:
        return msgspec.convert(item, AnyFunction, strict=False)  # type: ignore[no-any-return]  # the union of all kinds
    except msgspec.ValidationError as error:
        message, _, field = str(error).partition(" - at `$")
        path = f"{where}{field.rstrip('`')}"
        raise BadInput(message, path=path, hint=f"{KINDS}, like {EXAMPLE}") from error


def _check_names(functions: Sequence[AnyFunction]) -> None:
    known: set[str] = set()
    for function in functions:
        if function.name in known:
            raise BadInput("two functions have this name", path=f"{function.name}.name", hint="rename one of them")
        known.add(function.name)
