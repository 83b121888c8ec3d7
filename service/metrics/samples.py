"""What is measured, on its way to an exposition."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.core import Metric as Family

from service.metrics.catalogue import CATALOGUE, Metric


class Sample(NamedTuple):
    """A value now. `of`: the values of the metric's labels, in their order."""

    metric: Metric
    value: float
    of: tuple[str, ...] = ()


def seen_by(samples: Iterable[Sample], bot: str | None) -> list[Sample]:
    """Of one bot alone, or all."""
    return [one for one in samples if bot is None or (one.metric.is_of_bots and one.of[0] == bot)]


def families(samples: Iterable[Sample]) -> Iterator[Family]:
    """In the catalogue's order."""
    found: dict[Metric, list[Sample]] = defaultdict(list)
    for one in samples:
        found[one.metric].append(one)
    return (_family(metric, found[metric]) for metric in CATALOGUE if metric in found)


def _family(metric: Metric, samples: Iterable[Sample]) -> Family:
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.meaning, labels=metric.labels)
    for one in samples:
        family.add_metric(one.of, one.value)
    return family
