"""The curves as a page that stands by itself: an SVG, and the numbers beside it."""

from collections.abc import Mapping
from typing import Any

import altair
from altair.typing import ChartType
from jinja2 import Template

from service.charts import data, svg

PAGE = Template(
    """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title></head>
<body>
<h1>{{ title }}</h1>
<p>{{ note }}</p>
<figure role="img" aria-label="{{ title }}">{{ drawing | safe }}</figure>
<table border="1" cellpadding="4"><tr><th>strategy</th><th>labels</th><th>{{ score }}</th><th>sd</th></tr>
{% for row in rows -%}
<tr><td>{{ row.strategy }}</td><td>{{ row.labels }}</td><td>{{ "%.4f" | format(row.height) }}</td>
<td>{{ "%.4f" | format(row.sd) }}</td></tr>
{% endfor %}</table>
</body></html>
""",
    autoescape=True,
)


def page(found: Mapping[str, Any]) -> str:
    """HTML of what `labels.result` made."""
    score = "accuracy" if found["scenario"] == "pool" else "macro_recall"
    rows = [
        {"strategy": name, "labels": point["labels"], "height": point[score], "sd": point["sd"]}
        for name, strategy in found["strategies"].items()
        for point in strategy["curve"]
    ]
    title = f"{found['data']}: {score.replace('_', ' ')} by labels"
    drawing = svg(_chart(rows, score, _target(found)))
    html: str = PAGE.render(title=title, note=_note(found), drawing=drawing, score=score, rows=rows)
    return html


def _target(found: Mapping[str, Any]) -> float:
    """The dashed line: what random labels, or all labels, reach."""
    has_reference = "random_reference" in found
    reached: float = found["random_reference"]["accuracy"] if has_reference else found["ceiling"]["macro_recall"]
    return reached


def _note(found: Mapping[str, Any]) -> str:
    seeds = f"{found['encoder']}, {found['head']} head, start {found['start']}, means of {found['seeds']} seeds"
    if "random_reference" in found:
        reference = found["random_reference"]
        return f"{seeds}. Dashed: {reference['labels']} random labels, {reference['accuracy']:.4f}."
    return f"{seeds}. Dashed: every turn of the pool labelled, {found['ceiling']['macro_recall']:.4f}."


def _chart(rows: list[dict[str, Any]], score: str, target: float) -> ChartType:
    lines = (
        altair.Chart(data(rows))
        .mark_line(point=True)
        .encode(
            x=altair.X("labels:Q", title="labels"),
            y=altair.Y("height:Q", title=score.replace("_", " "), scale=altair.Scale(zero=False)),
            color=altair.Color("strategy:N", title=None),
        )
    )
    rule = altair.Chart(data([{"target": target}])).mark_rule(strokeDash=[6, 4]).encode(y="target:Q")
    return altair.layer(lines, rule).properties(width=720, height=420)
