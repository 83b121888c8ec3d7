"""Redaction: what could name or reach a person becomes a placeholder such as `<EMAIL_1>`, before anything is stored.

Presidio's pattern recognizers find, on a blank spaCy pipeline and off the network; the bot's own patterns find more.
Whatever any of them finds is covered: finds that overlap become one placeholder, named by the surest. The map of what
moved where lets entities keep their place: `text[start:end] == value` holds in the redacted text too.
"""

import logging
import re
import string
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from threading import Lock
from typing import Any, NamedTuple

import spacy
from presidio_analyzer import AnalyzerEngine, Pattern, RecognizerRegistry, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts, SpacyNlpEngine
from presidio_analyzer.predefined_recognizers import (
    CreditCardRecognizer,
    EmailRecognizer,
    IbanRecognizer,
    IpRecognizer,
    PhoneRecognizer,
    UrlRecognizer,
    UsSsnRecognizer,
)
from spacy.language import Language
from spacy.tokenizer import Tokenizer

from service.bots import patterns
from service.bots.schemas import Pattern as BotPattern
from service.turns.schemas import Entity
from service.turns.store import Redaction

# Presidio's messages quote the text, at level ERROR too: none may reach a log.
logging.getLogger("presidio-analyzer").setLevel(logging.CRITICAL + 1)

LANGUAGE = "en"
THRESHOLD = 0.4  # a phone number without context scores just that
CERTAIN = 1.0
# Without a digit, an @, or a full stop or colon inside a word no recognizer finds anything: of a shop's turns seven in
# eight, which are spared a third of a millisecond each.
SUSPECT = re.compile(r"[\d@]|[.:]\S")
KINDS = {
    "EMAIL_ADDRESS": "EMAIL",
    "PHONE_NUMBER": "PHONE",
    "CREDIT_CARD": "CARD",
    "IBAN_CODE": "IBAN",
    "US_SSN": "SSN",
    "IP_ADDRESS": "IP",
    "URL": "URL",
}


class Find(NamedTuple):
    """A stretch of text that is personal, and how sure that is."""

    start: int
    end: int
    kind: str
    score: float


class Redacted(NamedTuple):
    """The redacted text, and what was replaced: in order, disjoint."""

    text: str
    redactions: tuple[Redaction, ...] = ()


class Redactor:
    """Loads the recognizers, which takes seconds; then thousands of texts a second. Threads take turns."""

    def __init__(self) -> None:
        registry = RecognizerRegistry(recognizers=_recognizers(), supported_languages=[LANGUAGE])
        self._engine = _BlankEngine()
        self._analyzer = AnalyzerEngine(registry, self._engine, supported_languages=[LANGUAGE])
        self._lock = Lock()

    def redact(self, text: str, own: Sequence[BotPattern] = ()) -> Redacted:
        """PatternTooSlow when one of the bot's own patterns does not finish."""
        return replace(text, merge([*self._find(text), *_find_own(text, own)]))

    def _find(self, text: str) -> list[Find]:
        if not SUSPECT.search(text):
            return []
        with self._lock, self._engine.forgetting():
            results = self._analyzer.analyze(text, LANGUAGE, score_threshold=THRESHOLD)
        return [_find_of(result) for result in results]


@cache
def redactor() -> Redactor:
    """One for the process."""
    return Redactor()


def _find_of(result: RecognizerResult) -> Find:
    return Find(result.start, result.end, KINDS[result.entity_type], result.score)


def _find_own(text: str, own: Sequence[BotPattern]) -> list[Find]:
    # Surer than any recognizer: the owner knows what an order number looks like, presidio takes it for a phone.
    return [
        Find(match.start, match.end, pattern.name.upper(), CERTAIN + 1)
        for pattern in own
        for match in patterns.find(pattern, text)
    ]


def merge(finds: Iterable[Find]) -> list[Find]:
    """Disjoint finds, in order, that cover the same characters. The surest, then the longest, names what overlaps."""
    merged: list[list[Find]] = []
    end = -1
    for find in sorted(finds):
        if find.start >= end:
            merged.append([])
        merged[-1].append(find)
        end = max(end, find.end)
    return [_union(group) for group in merged]


def _union(group: Sequence[Find]) -> Find:
    best = max(group, key=lambda find: (find.score, find.end - find.start, -find.start))
    return best._replace(start=min(find.start for find in group), end=max(find.end for find in group))


def replace(text: str, finds: Sequence[Find]) -> Redacted:
    """Put placeholders for disjoint, ordered finds. Equal values of a kind get the same number."""
    parts: list[str] = []
    redactions: list[Redaction] = []
    numbers = _Numbers()
    done = length = 0
    for find in finds:
        placeholder = numbers.placeholder(find.kind, text[find.start : find.end])
        new_start = length + find.start - done
        parts += [text[done : find.start], placeholder]
        done, length = find.end, new_start + len(placeholder)
        redactions.append((find.start, find.end, new_start, length, find.kind))
    return Redacted("".join([*parts, text[done:]]), tuple(redactions))


class _Numbers:
    """Placeholders of one text, numbered by kind in the order values first appear."""

    def __init__(self) -> None:
        self._placeholders: dict[tuple[str, str], str] = {}
        self._counts: Counter[str] = Counter()

    def placeholder(self, kind: str, value: str) -> str:
        key = (kind, value.casefold())
        if key not in self._placeholders:
            self._counts[kind] += 1
            self._placeholders[key] = f"<{kind}_{self._counts[kind]}>"
        return self._placeholders[key]


def move(redacted: Redacted, start: int, end: int) -> tuple[int, int]:
    """Where the span start:end of the original text stands now.

    One that touches a redaction becomes its placeholder, one that touches several reaches from the first to the last.
    """
    touched = [redaction for redaction in redacted.redactions if start < redaction[1] and redaction[0] < end]
    if touched:
        return touched[0][2], touched[-1][3]
    before = [redaction for redaction in redacted.redactions if redaction[1] <= start]
    shift = before[-1][3] - before[-1][1] if before else 0
    return start + shift, end + shift


def origin(redacted: Redacted, start: int, end: int) -> tuple[int, int]:
    """Where the span start:end of the redacted text stood in the original; a placeholder counts as a whole."""
    return _origin(redacted, start)[0], _origin(redacted, end - 1)[1]


def _origin(redacted: Redacted, at: int) -> tuple[int, int]:
    """What one character of the redacted text stands for."""
    shift = 0
    for start, end, new_start, new_end, _ in redacted.redactions:
        if at < new_start:
            break
        if at < new_end:
            return start, end
        shift = end - new_end
    return at + shift, at + shift + 1


def move_entities(redacted: Redacted, entities: Iterable[Entity], length: int) -> tuple[Entity, ...]:
    """Entities of the original text, `length` long, in the redacted; spans outside the text, and twins, are dropped."""
    moved = [_moved(redacted, entity) for entity in entities if 0 <= entity.start < entity.end <= length]
    return tuple({(entity.type, entity.start, entity.end): entity for entity in reversed(moved)}.values())[::-1]


def _moved(redacted: Redacted, entity: Entity) -> Entity:
    start, end = move(redacted, entity.start, entity.end)
    return Entity(entity.type, redacted.text[start:end], start, end, entity.score)


class _BlankEngine(SpacyNlpEngine):
    """spaCy without a model: spaces separate words, a word's lemma is itself in lower case without punctuation.

    Presidio looks among the lemmas for context around a find ("ssn: 536904399"). spaCy's own tokenizer takes seconds on
    thousands of exclamation marks; this one's time is proportional to the text's length.
    """

    def __init__(self) -> None:
        super().__init__(models=[{"lang_code": LANGUAGE, "model_name": "blank"}])
        self.load()

    def load(self) -> None:
        self._blank = spacy.blank(LANGUAGE)
        self._blank.tokenizer = Tokenizer(self._blank.vocab)
        self.nlp: dict[str, Language] = {LANGUAGE: self._blank}  # type: ignore[assignment]  # the base infers None

    def process_text(self, text: str, language: str) -> NlpArtifacts:
        doc = self._blank(text)
        for token in doc:
            token.lemma_ = token.lower_.strip(string.punctuation) or token.lower_
        return self._doc_to_nlp_artifact(doc, language)

    def forgetting(self) -> Any:
        """spaCy's vocabulary drops the words seen inside; it would grow with every text."""
        return self._blank.memory_zone()


def _recognizers() -> list[Any]:
    return [
        _AnyEmail(),
        PhoneRecognizer(),
        CreditCardRecognizer(),
        _AnyCaseIban(),
        UsSsnRecognizer(),
        IpRecognizer(),
        UrlRecognizer(patterns=_url_patterns()),
    ]


class _AnyEmail(EmailRecognizer):
    """Addresses in domains no public list knows (`anna@mail.internal`) count too. Nor is the list asked for: tldextract
    would fetch it from the network at its first use."""

    def validate_result(self, pattern_text: str) -> bool | None:
        return None


class _AnyCaseIban(IbanRecognizer):
    """People type `de89 3704 …` as well."""

    UPPER = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)

    def analyze(self, text: str, *arguments: Any, **options: Any) -> list[RecognizerResult]:
        found: list[RecognizerResult] = super().analyze(text.translate(self.UPPER), *arguments, **options)
        return found


def _url_patterns() -> list[Pattern]:
    """Presidio's list of domains, mended: a host is tried from its first character only (from each, a long one takes
    seconds), `.community` is not `.com` and a rest, and the port and query that follow belong to it."""
    rest = r"(?::\d{1,5})?(?:[/?#][^\s<>\"']*)?"
    host = rf"(?i)(?<![a-z0-9.\-]){UrlRecognizer.BASE_URL_REGEX}{rest}(?![a-z0-9\-])"
    return [
        Pattern("with a scheme", r"(?i)\b(?:https?|ftp)://[^\s<>\"']*[^\s<>\"'.,;:!?)\]]", 0.6),
        Pattern("a known domain", host, 0.5),
    ]
