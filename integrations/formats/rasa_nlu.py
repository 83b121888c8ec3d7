"""Rasa NLU training data, the YAML of Rasa 2 and 3: intents with their examples and the entities annotated in them.

Published at https://legacy-docs-oss.rasa.com/docs/rasa/training-data-format and, for out of scope,
https://legacy-docs-oss.rasa.com/docs/rasa/fallback-handoff; how Rasa reads it is in its repository, RasaHQ/rasa,
rasa/shared/nlu/training_data. Not verified with a Rasa: it is not installed here.

In: a span's value is what the text says, so synonyms, roles and groups are dropped. Sections of synonyms, regexes and
lookup tables, and everything beside `nlu:`, are passed over. YAML is read as nodes: they know their lines, and leave
`yes` a word.

Out: out of scope is the intent `out_of_scope`, Rasa's convention. Examples are a list, the form with metadata: where a
row comes from, under `fencepost`, and as `exact` the row itself where brackets cannot say it (overlapping spans, square
brackets, spaces at the ends). Coming back, `exact` counts as long as the text beside it was not edited.
"""

from collections.abc import Iterator, Mapping
from typing import NoReturn

import msgspec
import yaml

from integrations.formats import brackets, rows
from integrations.formats.yaml_quoting import quoted
from service.errors import BadInput
from service.exports.schemas import Export, ExportIntent, ExportRow
from service.intents.parsing import parse_jsonl
from service.intents.schemas import NONE, ParsedExample, ParsedIntent

DEPTH_LIMIT = 50  # examples stand at depth 4
OTHER_SECTIONS = frozenset({"synonym", "regex", "lookup"})
OWN = "fencepost"  # our fields in metadata
# Rasa decodes \\u escapes before it parses a file that is all ASCII: the arrow keeps it from that.
HEAD = '# {about} → Rasa NLU\nversion: "3.1"\nnlu:'


def write(export: Export) -> Iterator[bytes]:
    yield HEAD.format(about=rows.about(export)).encode()
    is_empty = True
    for intent, examples in rows.by_intent(export):
        is_empty = False
        yield _head(intent, _name(intent, export)).encode()
        for number, row in enumerate(examples):
            yield (("" if number else "\n  examples:") + _written(row)).encode()
    yield b" []\n" if is_empty else b"\n"


def _name(intent: ExportIntent, export: Export) -> str:
    name, taken = intent.name, {other.name for other in export.intents}
    if intent is rows.OUT_OF_SCOPE:
        name = "out_of_scope"
        while name in taken:
            name += "_none"
    return name


def _head(intent: ExportIntent, name: str) -> str:
    own = {"none": "yes"} if intent is rows.OUT_OF_SCOPE else {"description": intent.description}
    return f"\n- intent: {quoted(name)}\n  metadata:\n    {OWN}: {_flow(own)}"


def _written(row: ExportRow) -> str:
    entities = row.entities or ()
    text = brackets.write(row.text, entities)
    own = {**msgspec.to_builtins(row.provenance), "lang": row.lang}
    if not brackets.says(text, row.text, entities):
        own["exact"] = rows.line(row).decode().strip()
    return f"\n  - text: {quoted(text)}\n    metadata:\n      {OWN}: {_flow(own)}"


def _flow(fields: Mapping[str, str | int | float]) -> str:
    pairs = (f"{name}: {quoted(value) if isinstance(value, str) else value}" for name, value in fields.items())
    return "{" + ", ".join(pairs) + "}"


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
    own = _own(node)
    where = f"line {_line(name)}"
    return ParsedIntent(NONE if "none" in own else name.value.strip(), where, own.get("description", ""), examples)


def _own(node: yaml.MappingNode) -> dict[str, str]:
    """What we wrote in an intent's or an example's metadata."""
    for name in ("metadata", OWN):
        found = _fields(node).get(name)
        if not isinstance(found, yaml.MappingNode):
            return {}
        node = found
    return {name: str(field.value) for name, field in _fields(node).items() if isinstance(field, yaml.ScalarNode)}


def _examples(node: yaml.Node) -> Iterator[ParsedExample]:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield _item(item)
    elif isinstance(node, yaml.ScalarNode):
        # A block's first line comes after its `|`; Rasa wants a dash before every example in it.
        for number, line in enumerate(node.value.splitlines(), _line(node) + (node.style in ("|", ">"))):
            if line.strip():
                yield brackets.read(_after_dash(line, number), f"line {number}")
    else:
        _refuse("`examples:` is neither a block of text nor a list", _line(node), "write `examples: |`")


def _item(item: yaml.Node) -> ParsedExample:
    text, where = _text(item), f"line {_line(item)}"
    own = _own(item) if isinstance(item, yaml.MappingNode) else {}
    if "exact" in own and (exact := _exact(own["exact"], text, where)) is not None:
        return exact
    return msgspec.structs.replace(brackets.read(text, where), lang=own.get("lang", ""))


def _exact(line: str, text: str, where: str) -> ParsedExample | None:
    """The row that was written as `text`; None when somebody has edited one of the two since."""
    try:
        (example,) = parse_jsonl(line.encode())[0].examples
    except (BadInput, ValueError, IndexError):
        return None
    is_same = brackets.write(example.text, example.entities).strip() == text
    return msgspec.structs.replace(example, where=where) if is_same else None


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
