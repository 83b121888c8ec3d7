"""The layout that `datasets.load_dataset` reads from a folder, as a zip: `README.md`, the dataset card whose YAML names
splits and features, and `data/train.jsonl` and `data/test.jsonl`.

Published at https://huggingface.co/docs/hub/datasets-manual-configuration and, for the card,
https://github.com/huggingface/hub-docs/blob/main/datasetcard.md. The features make the intents a ClassLabel, so their
names come with their numbers; out of scope is the last, `none`. Each row says where it comes from. Spans have no
`value`: it is `text[start:end]`, and a column of dates would be read as instants. Rows that test are held until those
that train are written.
"""

from collections.abc import Iterator
from typing import Any

from integrations.formats import rows, zipped
from integrations.formats.yaml_quoting import quoted
from integrations.formats.zipped import Entry
from service.exports.schemas import Export, ExportRow
from service.intents.schemas import NONE

CARD = """\
---
configs:
- config_name: default
  data_files:{files}
dataset_info:
  features:
  - name: text
    dtype: string
  - name: intent
    dtype:
      class_label:
        names:{names}
  - name: entities
    list:
    - name: type
      dtype: string
    - name: start
      dtype: int32
    - name: end
      dtype: int32
  - name: lang
    dtype: string
  - name: split
    dtype: string
  - name: provenance
    struct:
    - name: turn_id
      dtype: int64
    - name: label_id
      dtype: int64
    - name: origin
      dtype: string
    - name: weight
      dtype: float64
    - name: votes
      dtype: int32
    - name: agreed
      dtype: int32
    - name: labelled_at
      dtype: timestamp[us, tz=UTC]
---
# Labelled turns of the bot {bot}
{about}: {counts}.

`entities` is null where nobody said anything of them; offsets count characters. `test` is what never trained: turns
drawn at random, and the gold set.
"""


def write(export: Export) -> Iterator[bytes]:
    return zipped.write(_entries(export), export.at)


def _entries(export: Export) -> Iterator[Entry]:
    counts: dict[str, int] = {"train": 0, "test": 0}
    held: list[bytes] = []
    yield "data/train.jsonl", _train(export, counts, held)
    yield "data/test.jsonl", held
    yield "README.md", [_card(export, counts).encode()]


def _train(export: Export, counts: dict[str, int], held: list[bytes]) -> Iterator[bytes]:
    for row in export.rows:
        counts[row.split] += 1
        if row.split == "train":
            yield _line(row)
        else:
            held.append(_line(row))


def _line(row: ExportRow) -> bytes:
    fields: dict[str, Any] = rows.fields(row)
    for span in fields.get("entities", ()):
        del span["value"]
    return rows.encode(fields) + b"\n"


def _card(export: Export, counts: dict[str, int]) -> str:
    names = [intent.name for intent in export.intents] + [NONE]
    return CARD.format(
        files="".join(f"\n  - split: {name}\n    path: data/{name}.jsonl" for name, count in counts.items() if count),
        names="".join(f"\n          '{number}': {quoted(name)}" for number, name in enumerate(names)),
        bot=export.bot,
        about=rows.about(export),
        counts=", ".join(f"{count} rows {name}" for name, count in counts.items()),
    )
