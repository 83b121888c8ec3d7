"""What commands log beside what they print."""

from collections.abc import Iterator

import pytest
import structlog
from click.testing import CliRunner

from service.cli import cli


@pytest.fixture(autouse=True)
def defaults() -> Iterator[None]:
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


def test_standard_output_is_the_commands_result(capsys: pytest.CaptureFixture[str]) -> None:
    assert CliRunner().invoke(cli, ["settings"]).exit_code == 0
    structlog.get_logger().info("encoder.loaded")
    out, err = capsys.readouterr()
    assert (out, "encoder.loaded" in err) == ("", True)
