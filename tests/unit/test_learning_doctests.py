"""The examples in the docstrings of the learning package are true."""

import doctest
import importlib
import pkgutil

import pytest

import service.learning

MODULES = sorted(module.name for module in pkgutil.iter_modules(service.learning.__path__))


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = importlib.import_module(f"service.learning.{name}")
    assert doctest.testmod(module).failed == 0
