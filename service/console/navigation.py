"""The pages about a bot that have a tab, in the order of the tabs."""

from collections.abc import Iterator
from typing import NamedTuple

from service.access.roles import Principal, Role, allows

# name, where it lies below the bot's own address, and who may see it
TABS: tuple[tuple[str, str, Role], ...] = (
    ("Overview", "", "reader"),
    ("Review", "/review", "reviewer"),
    ("Drift", "/drift", "reader"),
    ("Boundary", "/boundary", "reader"),
    ("Turns", "/turns", "reader"),
    ("Labels", "/labels", "reader"),
    ("Intents", "/intents", "reader"),
    ("Classifiers", "/classifiers", "reader"),
    ("Reviewers", "/reviewers", "reviewer"),
    ("Sources", "/sources", "owner"),
    ("Settings", "/settings", "reader"),
    ("Audit log", "/audit", "owner"),
)


class Tab(NamedTuple):
    name: str
    href: str
    is_here: bool


def tabs(principal: Principal, bot: str, here: str) -> list[Tab]:
    """Those that the person may see; `here`: the name of the tab that is shown."""
    return list(_tabs(principal, bot, here))


def _tabs(principal: Principal, bot: str, here: str) -> Iterator[Tab]:
    for name, path, role in TABS:
        if allows(principal, role, bot):
            yield Tab(name, f"/bots/{bot}{path}", name == here)
