"""Rasa NLU training data, the YAML of Rasa 2 and 3: intents with their examples and the entities annotated in them.

`[text](type)`, `[text](type:synonym)` and `[text]{"entity": "type", "role": …, "value": …}` become spans of the plain
text; a span's value is what the text says, so synonyms, roles and groups are dropped. Sections of synonyms, regexes and
lookup tables, and everything beside `nlu:`, are passed over. YAML is read as nodes: they know their lines, and leave
`yes` a word.
"""

import json
import re
from collections.abc import Iterator
from typing import NoReturn

import yaml

from service.errors import BadInput
from service.intents.schemas import ParsedExample, ParsedIntent
from service.turns.schemas import Entity

ANNOTATION = re.compile(r"\[(?P<text>[^\]]+)\](?:\((?P<type>[^:)]+)(?::[^)]*)?\)|(?P<fields>\{[^}]+\}))")
DEPTH_LIMIT = 50  # examples stand at depth 4
OTHER_SECTIONS = frozenset({"synonym", "regex", "lookup"})


def parse_rasa(data: bytes) -> list[ParsedIntent]:
    """Pure; BadInput with the line as path."""
    root = _compose(data)
    section = _fields(root).get("nlu") if isinstance(root, yaml.MappingNode) else None
    if not isinstance(section, yaml.SequenceNode):
        _refuse("there is no list under `nlu:`", 1, "is this Rasa's NLU file, nlu.yml?")
    return [intent for node in section.value if (intent := _intent(node)) is not None]


def _compose(data: bytes) -> yaml.Node | None:
    try:
        _check_depth(data)
        root: yaml.Node | None = yaml.compose(data, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BadInput(f"not YAML: {error.problem}", path=f"line {line}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput("not YAML in UTF-8", path="line 1") from error
    return root


def _check_depth(data: bytes) -> None:
    """The C composer recurses without a limit and takes the process with it; the parser below it does not."""
    depth = 0
    for event in yaml.parse(data, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH_LIMIT:
            _refuse(
                "the file nests too deeply",
                event.start_mark.line + 1 if event.start_mark else 1,
                "is this Rasa's NLU file, nlu.yml?",
            )


def _refuse(detail: str, line: int, hint: str = "") -> NoReturn:
    raise BadInput(detail, path=f"line {line}", hint=hint)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _fields(node: yaml.MappingNode) -> dict[str, yaml.Node]:
    return {str(key.value): value for key, value in node.value}


def _intent(node: yaml.Node) -> ParsedIntent | None:
    """None for a section that is about something else."""
    if not isinstance(node, yaml.MappingNode):
        _refuse("an item of `nlu:` is not a mapping", _line(node), "write `- intent: name`")
    fields = _fields(node)
    if fields.keys() & OTHER_SECTIONS:
        return None
    name = fields.get("intent")
    if not isinstance(name, yaml.ScalarNode) or not name.value.strip():
        _refuse("this item names no intent", _line(node), "write `- intent: name`")
    examples = tuple(_examples(fields["examples"])) if "examples" in fields else ()
    return ParsedIntent(name.value.strip(), f"line {_line(name)}", examples=examples)


def _examples(node: yaml.Node) -> Iterator[ParsedExample]:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield _example(_text(item), _line(item))
    elif isinstance(node, yaml.ScalarNode):
        # A block's first line comes after its `|`; Rasa wants a dash before every example in it.
        for number, line in enumerate(node.value.splitlines(), _line(node) + (node.style in ("|", ">"))):
            if line.strip():
                yield _example(_after_dash(line, number), number)
    else:
        _refuse("`examples:` is neither a block of text nor a list", _line(node), "write `examples: |`")


def _text(item: yaml.Node) -> str:
    """An example in a list: the text itself, or a mapping with `text` beside metadata."""
    if isinstance(item, yaml.MappingNode):
        item = _fields(item).get("text", item)
    if not isinstance(item, yaml.ScalarNode):
        _refuse("this example has no text", _line(item), "write `- text: …`")
    return str(item.value).strip()


def _after_dash(line: str, number: int) -> str:
    if not line.lstrip().startswith("-"):
        _refuse("an example does not begin with a dash", number, "write `- ` before it")
    return line.lstrip()[1:].strip()


def _example(annotated: str, line: int) -> ParsedExample:
    """Take the annotations out of the text; the spans are counted in what is left."""
    text, entities, end = "", [], 0
    for found in ANNOTATION.finditer(annotated):
        text += annotated[end : found.start()]
        value = found["text"]
        kind = (found["type"] or _type_in(found["fields"], line)).strip()
        entities.append(Entity(type=kind, value=value, start=len(text), end=len(text) + len(value)))
        text, end = text + value, found.end()
    return ParsedExample(text + annotated[end:], f"line {line}", tuple(entities))


def _type_in(fields: str, line: int) -> str:
    try:
        kind = json.loads(fields).get("entity")
    except ValueError:
        kind = None
    if not isinstance(kind, str) or not kind.strip():
        _refuse(f"{fields} names no entity", line, 'write {"entity": "city"}')
    return kind
