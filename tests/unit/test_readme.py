"""The README says what is."""

from pathlib import Path

from service.cli import markdown_lines

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


def test_its_table_of_settings_is_the_one_the_code_has() -> None:
    assert "\n".join(markdown_lines()) in README


def test_its_pictures_are_there() -> None:
    names = [part.partition(")")[0] for part in README.split("![")[1:] for part in [part.partition("(")[2]]]
    assert names
    assert all((Path(__file__).parents[2] / name).is_file() for name in names)
