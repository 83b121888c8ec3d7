"""The examples in the docstrings of the exports package are true."""

import doctest
import importlib
import pkgutil

import pytest

import service.exports

MODULES = sorted(module.name for module in pkgutil.iter_modules(service.exports.__path__))


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"service.exports.{name}")).failed == 0
