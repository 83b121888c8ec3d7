"""The measurement of a ranking runs, on few candidates."""

from tests.bench.rank import measure


def test_a_small_ranking_is_measured() -> None:
    found = measure(3_000, 1)
    assert (found["candidates"], found["indexed"]) == (3_000, 3_000)
    assert found["ratio"] > 0
    assert 0 < found["peak_rss_mib"] < 1_500
