"""Exports made of made-up rows: a small one with every trap in it, and strategies for any."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec
from hypothesis import strategies as st

from service.exports.schemas import Export, ExportIntent, ExportRow, Provenance, Split
from service.turns.schemas import Entity

AT = datetime(2026, 11, 28, 3, 0, tzinfo=UTC)


def export(intents: Sequence[ExportIntent], rows: Iterable[ExportRow]) -> Export:
    return Export(bot="shop", at=AT, label_set="full", release=None, intents=intents, rows=iter(rows))


def row(
    n: int,
    text: str,
    intent: str | None,
    *marks: tuple[str, str],
    split: Split = "train",
    lang: str = "",
    is_marked: bool = True,
) -> ExportRow:
    """A row whose entities are (words of the text, type)."""
    entities = tuple(spanned(text, text.index(words), text.index(words) + len(words), kind) for words, kind in marks)
    origin = Provenance(turn_id=n, label_id=n + 100, origin="vote", weight=0.5, votes=3, agreed=2, labelled_at=AT)
    labelled = entities if is_marked else None
    return ExportRow(text=text, intent=intent, entities=labelled, lang=lang, split=split, provenance=origin)


def spanned(text: str, start: int, end: int, kind: str) -> Entity:
    return Entity(type=kind, value=text[start:end], start=start, end=end)


TRAPS = (
    "yes",
    "no: #1",
    "- a dash",
    "  spaces around \n",
    'say "hi", it\'s\nme\r\nand\ttabs',
    "see [docs](http) or [x]{y} or [a][b]",
    "{city} and }{",
    "🙈 card 👩‍👩‍👧",
    "أريد إلغاء الطلب",
    "line\u2028sep \x85 next \x1f bell \x07 del \x7f bom \ufeff non \uffff",
    r"C:\new \u0041 \\",
    "=1+1",
    "2026-11-28",
    "null",
    "${HOME}",
    "<EMAIL_ADDRESS_1>",
    "x" * 501,
)
INTENTS = (
    ExportIntent(name="Book flight", description="Books a flight: from, to"),
    ExportIntent(name="book flight", description=""),
    ExportIntent(name="empty", description="x" * 300),
    ExportIntent(name="out_of_scope", description="a\u2028b"),
    ExportIntent(name="where's/it: #1?", description=""),
    ExportIntent(name="yes", description=""),
)


def trapped() -> Export:
    flights = [
        row(1, "fly to Lyon", "Book flight", ("Lyon", "city"), lang="en"),
        row(
            2,
            "🙈 Lyon to Lyon St [x]",
            "Book flight",
            ("Lyon", "city"),
            ("Lyon St", "the road: (in full) }"),
            lang="de",
        ),
        row(3, "fly to Oslo", "Book flight", ("Oslo", "city"), lang="en", split="test"),
        row(4, "from Rome to Bonn", "Book flight", ("Rome", "city"), ("Bonn", "city"), lang="en"),
        row(5, "later", "Book flight", is_marked=False, lang="la"),
    ]
    yes = [row(n, text, "yes", lang="../x") for n, text in enumerate(TRAPS, 10)]
    return export(INTENTS, [*flights, *yes, row(90, "hm", None, split="test"), row(91, "[what]", None)])


SIGNS = "ab c0:#-_.[](){}<>\"'\\/|,;=&$\n\r\t\u00a0\u2028\x85\x07\ufeff🙈é\u0301אI"
WORDS = st.text(alphabet=SIGNS, min_size=1, max_size=20) | st.sampled_from(TRAPS[:-1])
TEXTS = WORDS.filter(str.strip)
NAMES = st.one_of(
    st.text(max_size=210),
    st.text(alphabet="abAB _-.", max_size=6),
    st.sampled_from(["out_of_scope", "Default Negative Intent", "FallbackIntent", "left_out", "names", "yes", "2"]),
).map(lambda name: "".join(filter(str.isprintable, name)).strip()[:200].strip())
TYPES = st.text(alphabet=SIGNS, min_size=1, max_size=8) | st.sampled_from(["city", "City", "city 2", "city_2"])
LANGS = st.sampled_from(["", "en", "en-GB", "de", "la", "../x"])


@st.composite
def entities(draw: st.DrawFn, text: str) -> tuple[Entity, ...]:
    """Spans of a text in any order; they may overlap."""
    cuts = st.lists(st.integers(0, len(text)), min_size=2, max_size=2, unique=True).map(sorted)
    marks = draw(st.lists(st.tuples(cuts, TYPES), max_size=3, unique_by=str))
    return tuple(spanned(text, start, end, kind) for (start, end), kind in marks)


@st.composite
def exports(draw: st.DrawFn) -> tuple[Sequence[ExportIntent], Sequence[ExportRow]]:
    names = draw(
        st.lists(NAMES.filter(lambda name: name and name.lower() != "none"), min_size=1, max_size=4, unique=True)
    )
    descriptions = st.text(alphabet=SIGNS, max_size=10) | st.just("x" * 250)
    intents = [ExportIntent(name=name, description=draw(descriptions).strip()) for name in sorted(names)]
    rows: list[ExportRow] = []
    for intent in (*[intent.name for intent in intents], None):
        for text in draw(st.lists(TEXTS, max_size=4)):
            split: Split = draw(st.sampled_from(["train", "train", "test"]))
            made = row(len(rows), text, intent, split=split, lang=draw(LANGS))
            rows.append(msgspec.structs.replace(made, entities=draw(st.none() | entities(text))))
    return intents, rows
