"""A classifier's manifest, in words."""

from collections.abc import Iterator

from service.classifiers.schemas import Manifest, Version

PHASES = {
    "cold": "cold: nobody had labelled a turn of its log",
    "warm": "warm: few labels of an intent yet",
    "steady": "steady: labels enough for most intents",
}
ORIGINS = {"vote": "by votes", "import": "imported", "fold": "of equal turns", "weak": "of turns much alike"}


def told(version: Version) -> Iterator[tuple[str, str]]:
    """What it was trained on and how: rows of a table."""
    found = version.manifest
    yield "phase", PHASES[found.phase]
    yield "labels", _labels(found)
    yield "intents", f"{len(found.intents):,}"
    yield "the log", _log(found)
    if found.functions:
        yield "labelling functions", _functions(found)
    yield "encoder", _encoder(found)
    yield "out of scope", _gate(found)
    yield "entities", _entities(found)
    yield "on labels held out in training", _held_out(found)
    if found.replaced is not None:
        yield "made to replace", f"classifier {found.replaced}"
    yield "training", f"{found.seconds:.1f} s; C {found.c:g}, temperature {found.temperature:.3g}, seed {found.seed}"
    yield "SHA-256 of its weights", version.sha256


def _labels(found: Manifest) -> str:
    parts = [f"{n:,} {ORIGINS.get(origin, origin)}" for origin, n in found.labels_by_origin.items() if n]
    none = f"; {found.labels_none:,} say that no intent is meant" if found.labels_none else ""
    return f"{found.labels:,} turns{': ' if parts else ''}{', '.join(parts)}{none}"


def _log(found: Manifest) -> str:
    seen = f"{found.log_turns:,} unlabelled turns were looked at"
    return (
        f"{seen}, {found.pseudo_labels:,} of them learnt from" if found.pseudo_labels else f"{seen}, none learnt from"
    )


def _functions(found: Manifest) -> str:
    taken = f"{found.weak_examples:,} examples learnt from" if found.weak_examples else "not measured to help"
    return f"{len(found.functions)}: {taken}"


def _encoder(found: Manifest) -> str:
    tuned = f", tuned for the bot on {found.adapted.labels:,} labels" if found.adapted else ""
    return f"{found.encoder}, {found.dimensions} numbers a turn{tuned}"


def _gate(found: Manifest) -> str:
    if found.gate_threshold is None:
        return "the gate is off: every turn gets an intent"
    return f"from a probability of {100 * found.gate_threshold:.0f} % on"


def _entities(found: Manifest) -> str:
    if not found.span_labels:
        return "no tagger: no label marks entities"
    return f"{', '.join(found.entity_types)}; learnt from {found.span_labels:,} labels"


def _held_out(found: Manifest) -> str:
    if found.accuracy is None:
        return "not measured"
    return f"{100 * found.accuracy:.1f} % right, which is not live accuracy: labels are the log’s hardest turns"
