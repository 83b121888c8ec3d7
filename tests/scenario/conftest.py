"""Fixtures of scenarios: the real app on a real Valkey and SQLite."""

from collections.abc import Iterator

import pytest

from service.context import Context
from tests.support.edge import Edge, opened_edge


@pytest.fixture
def edge(context: Context) -> Iterator[Edge]:
    with opened_edge(context) as edge:
        yield edge
