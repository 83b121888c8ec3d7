"""A release for people to read, in plain Markdown."""

from collections.abc import Iterator

from service.exports.changes import OUT_OF_SCOPE
from service.exports.schemas import Change, Changes, Release

WORDS = {"renamed": "is called", "merged": "is merged into"}


def changelog(bot: str, release: Release) -> str:
    return "\n".join([f"# {bot}, release {release.n}", "", *_head(release), *changed(release.changes, release.n - 1)])


def _head(release: Release) -> Iterator[str]:
    rows = sum(intent.rows for intent in release.changes.rows)
    intents = sum(intent.rows > 0 and intent.intent != OUT_OF_SCOPE for intent in release.changes.rows)
    yield f"{release.created_at:%Y-%m-%d %H:%M} UTC, by {release.who}: {rows:,} rows of {intents:,} intents."
    if release.accuracy is not None:
        estimate, low, high = (100 * share for share in release.accuracy)
        right = f"{estimate:.1f} % ({low:.1f} to {high:.1f})"
        yield f"Of turns drawn at random, classifier {release.champion} answered {right} right."
    if release.note:
        yield from ("", release.note)


def changed(changes: Changes, since: int) -> Iterator[str]:
    """Lines; `since` 0: there was no release before."""
    if since:
        yield from ("", f"## Since release {since}", "", _total(changes))
        yield from (_line(change) for change in changes.intents)
    columns = ("added", "removed", "relabelled", "confirmed") if since else ()
    yield from ("", "## Rows", "", _row("intent", "rows", *columns), _row("---", *["---:"] * (1 + len(columns))))
    for intent in changes.rows:
        yield _row(_escaped(intent.intent), intent.rows, *(getattr(intent, column) for column in columns))


def _total(changes: Changes) -> str:
    return (
        f"- rows: {changes.added:,} added, {changes.removed:,} removed, {changes.relabelled:,} relabelled,"
        f" {changes.confirmed:,} answered again with the same intent"
    )


def _line(change: Change) -> str:
    """
    >>> _line(Change("merged", "cancel", "cancel_order")), _line(Change("new", "gift_card"))
    ('- intent cancel is merged into cancel_order', '- intent gift_card is new')
    """
    into = "" if change.into is None else f" {change.into}"
    return f"- intent {change.name} {WORDS.get(change.kind, f'is {change.kind}')}{into}"


def _row(*cells: object) -> str:
    return f"| {' | '.join(f'{cell:,}' if isinstance(cell, int) else str(cell) for cell in cells)} |"


def _escaped(name: str) -> str:
    """
    >>> print(_escaped("a|b"))
    a\\|b
    """
    return name.replace("|", "\\|")
