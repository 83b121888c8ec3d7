"""Are a bot's turns in the languages that its encoder was trained on? A look at a sample, for a warning of `doctor`.

Limits: the platform's `lang` is believed where it is given. Without it, a turn of one or two words in ASCII is not
judged, for "ok" is a word of forty languages, and a mixed turn counts as the language that prevails. Measured with an
English encoder: 1 of 2,000 utterances of CLINC150 was called foreign, and 46 of 46 short requests in 15 languages.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
import yaml

from service import tables
from service.tables import turn, turn_content

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

ENGLISH = frozenset({"en"})
SAMPLE = 1000  # the newest turns
FEWEST = 20  # judged turns below which a share says nothing
WORDS = 3  # a shorter turn in ASCII is not judged
UNLIKELY = 0.02


def foreign_share(connection: sa.Connection, bot: str, installation: str = "") -> float:
    """The share, in [0, 1], of a bot's newest turns that are in none of its encoder's languages.

    `installation` is FENCEPOST_ENCODER, for a bot without an encoder of its own. 0 where too few turns can be judged,
    or where the encoder does not name its languages, or names `multilingual`.
    """
    own = connection.scalar(sa.select(tables.bot.c.encoder).where(tables.bot.c.name == bot))
    languages = encoder_languages(own or installation)
    return _share(connection, bot, languages) if languages is not None else 0.0


def _share(connection: sa.Connection, bot: str, languages: frozenset[str]) -> float:
    rows = connection.execute(
        sa.select(turn.c.lang, turn_content.c.text)
        .join(turn_content, turn_content.c.turn_id == turn.c.id)
        .where(turn.c.bot == bot, turn.c.source.not_in(tables.NOT_SAID))
        .order_by(turn.c.id.desc())
        .limit(SAMPLE)
    )
    judged = [verdict for row in rows if (verdict := is_foreign(row.text, row.lang, languages)) is not None]
    return sum(judged) / len(judged) if len(judged) >= FEWEST else 0.0


def is_foreign(text: str, lang: str, languages: frozenset[str]) -> bool | None:
    """None when it cannot be told."""
    if lang:
        return primary(lang) not in languages
    if text.isascii() and len(text.split()) < WORDS:
        return None
    likely: dict[str, float] = dict(_identifier().rank(text))
    return sum(likely.get(language, 0.0) for language in languages) < UNLIKELY


def primary(tag: str) -> str:
    """`en` of `en-GB` or `EN_us`."""
    return tag.replace("_", "-").split("-")[0].lower()


@cache
def _identifier() -> "LanguageIdentifier":
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def encoder_languages(name: str) -> frozenset[str] | None:
    """What the model's card says; None when it says nothing, or `multilingual`: then there is nothing to warn of."""
    if not name:
        return ENGLISH
    card = _card(name)
    return _languages(card.read_text("utf-8", "replace")) if card is not None else None


def _card(name: str) -> Path | None:
    """The card in the model's folder, or in the hub's cache; nothing is downloaded."""
    if Path(name).is_dir():
        card = Path(name) / "README.md"
        return card if card.is_file() else None
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(name, "README.md")
    except HFValidationError:
        return None
    return Path(found) if isinstance(found, str) else None


def _languages(card: str) -> frozenset[str] | None:
    """From the YAML between the card's first two `---`."""
    parts = card.split("---\n", 2)
    try:
        head = yaml.safe_load(parts[1]) if len(parts) == 3 and not parts[0].strip() else None
    except yaml.YAMLError:
        return None
    said = head.get("language") if isinstance(head, dict) else None
    if not isinstance(said, str | list):
        return None
    languages = _primaries([said] if isinstance(said, str) else said)
    return None if not languages or "multilingual" in languages else languages


def _primaries(said: Iterable[object]) -> frozenset[str]:
    # YAML 1.1 reads `no`, Norwegian, as False.
    return frozenset("no" if language is False else primary(str(language)) for language in said)
