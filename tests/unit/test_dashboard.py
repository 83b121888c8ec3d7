"""The dashboard and the alerts ask for metrics, labels and values that exist. Grafana itself is not asked."""

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from service.metrics.catalogue import CATALOGUE, VALUES, markdown_lines

CHART = Path(__file__).parents[2] / "charts" / "fencepost"
DASHBOARD: dict[str, Any] = json.loads((CHART / "dashboards" / "fencepost.json").read_text("utf-8"))
ALERTS: list[dict[str, Any]] = yaml.safe_load((CHART / "rules" / "fencepost.yaml").read_text("utf-8"))["groups"][0][
    "rules"
]
BY_NAME = {metric.name: metric for metric in CATALOGUE}
ADDED = {"job"}  # by the scraper
WORDS = {"absent", "by", "changes", "clamp_max", "group_left", "increase", "max", "min", "on", "rate", "sum"}
SELECTOR = re.compile(r"(\w+)\s*\{([^}]*)\}")
MATCHER = re.compile(r'(\w+)\s*(=~|!=|!~|=)\s*"([^"]*)"')
GROUPING = re.compile(r"\b(?:by|on|group_left)\s*\(([^)]*)\)")
LEGEND = re.compile(r"\{\{\s*(?:\$labels\.)?(\w+)")

PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
ASKED = [(panel["title"], one["expr"], one["legendFormat"]) for panel in PANELS for one in panel["targets"]]
MARKERS = [(one["name"], one["expr"], one["titleFormat"]) for one in DASHBOARD["annotations"]["list"]]
TOLD = [(one["alert"], one["expr"], " ".join(one["annotations"].values())) for one in ALERTS]


class Expression(NamedTuple):
    metrics: set[str]
    matchers: list[tuple[str, str, str]]  # metric, label, value
    groups: list[set[str]]


def parsed(text: str) -> Expression:
    """Of the PromQL we write: AssertionError for a word that is neither a metric nor a function we use."""
    matchers = [(name, label, value) for name, inside in SELECTOR.findall(text) for label, _, value in _within(inside)]
    groups = [{label for label in re.findall(r"\w+", inside)} for inside in GROUPING.findall(text)]
    bare = GROUPING.sub(" ", re.sub(r"\{[^}]*\}|\[[^]]*\]", " ", text))
    metrics = {word for word in re.findall(r"[A-Za-z_]\w*", bare) if word not in WORDS}
    assert metrics <= BY_NAME.keys(), f"{metrics - BY_NAME.keys()} in {text}"
    return Expression(metrics, matchers, groups)


def _within(inside: str) -> list[tuple[str, str, str]]:
    found = MATCHER.findall(inside)
    assert len(found) == len([part for part in inside.split(",") if part.strip()]), inside
    return found


def labels(metric: str) -> set[str]:
    return {*BY_NAME[metric].labels, *ADDED}


@pytest.mark.parametrize(("title", "text", "legend"), [*ASKED, *MARKERS, *TOLD])
def test_what_is_asked_for_exists(title: str, text: str, legend: str) -> None:
    found = parsed(text)
    known = {label for metric in found.metrics for label in labels(metric)}
    for metric, label, value in found.matchers:
        assert label in labels(metric), f"{title}: {metric} has no label {label}"
        assert value.startswith("$") or set(value.split("|")) <= set(VALUES[label]), (
            f"{title}: {label} is never {value}"
        )
    for group in found.groups:
        assert group <= known, f"{title}: nothing has {group - known}"
    kept = set().union(*found.groups)
    assert set(LEGEND.findall(legend)) <= kept, f"{title}: {legend}"


@pytest.mark.parametrize(
    "text",
    [
        "max by (bot) (fencepost_turns)",
        "max by (bot) (fencepost_turns_total{who=bot})",
        "avg(fencepost_dead_letters)",
    ],
)
def test_a_wrong_name_would_be_noticed(text: str) -> None:
    with pytest.raises(AssertionError):
        parsed(text)


def test_counters_are_asked_for_their_rates_and_nothing_else_is() -> None:
    for title, text, _ in [*ASKED, *MARKERS, *TOLD]:
        rated = set(re.findall(r"(?:rate|increase)\((\w+)", text))
        counters = {name for name in parsed(text).metrics if BY_NAME[name].kind == "counter"}
        assert rated == counters, title


def test_every_metric_is_explained() -> None:
    assert "\n".join(markdown_lines()) in (CHART / "METRICS.md").read_text("utf-8")
    assert len(BY_NAME) == len(CATALOGUE)
    assert all(metric.meaning for metric in CATALOGUE)
    assert {label for metric in CATALOGUE for label in metric.labels} == {*VALUES, "bot", "version"}


def test_panels_lie_side_by_side_and_use_the_variables_that_exist() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids)) and len(PANELS) <= 16
    assert [one["title"] for one in DASHBOARD["panels"] if one["type"] == "row"] == [
        "Is it working?",
        "Is it learning?",
        "Is it drifting?",
        "Is it better?",
    ]
    cells = [set(_cells(panel["gridPos"])) for panel in DASHBOARD["panels"]]
    assert not any(one & other for one, other in combinations(cells, 2))
    variables = {one["name"] for one in DASHBOARD["templating"]["list"]}
    assert set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD))) - {"__all"} == variables
    for panel in PANELS:
        refs = [one["refId"] for one in panel["targets"]]
        assert panel["title"] and panel["description"] and len(refs) == len(set(refs))


def _cells(place: dict[str, int]) -> Iterator[tuple[int, int]]:
    assert place["x"] >= 0 and place["x"] + place["w"] <= 24
    return (
        (x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])
    )


def test_alerts_say_what_to_do() -> None:
    assert {"FencepostIngestLag", "FencepostDeadLetters", "FencepostAccuracyFalling", "FencepostDrift"} <= {
        one["alert"] for one in ALERTS
    }
    assert all(one["annotations"]["description"] and one["labels"]["severity"] for one in ALERTS)
