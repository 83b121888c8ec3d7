"""The audit log's page has words for every action that is written down anywhere."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import service
from service.console.audit import ACTIONS

ROOT = Path(service.__file__).parents[1]


def _calls(path: Path) -> Iterator[tuple[ast.FunctionDef, ast.Call]]:
    """Calls in which a module of ours writes to the audit log, each with the function that holds it."""
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, ast.FunctionDef):
            for call in ast.walk(function):
                if isinstance(call, ast.Call) and ast.unparse(call.func) in ("audit.record", "audit_log.record"):
                    yield function, call


def _actions(path: Path, function: ast.FunctionDef, action: ast.expr) -> set[str]:
    """What the argument may say: by itself, by a name of the module, or by the module's calls of the function. Of an
    f-string, which says one of several, how it begins."""
    names = [one.arg for one in function.args.args]
    if isinstance(action, ast.Name) and action.id in names:
        at = names.index(action.id)
        calls = [one for one in ast.walk(ast.parse(path.read_text())) if isinstance(one, ast.Call)]
        told = [one.args[at] for one in calls if ast.unparse(one.func) == function.name]
        assert told, f"{path}: who calls {function.name}?"
        return {name for one in told for name in _actions(path, function, one)}
    if isinstance(action, ast.JoinedStr):
        (begin,) = _actions(path, function, action.values[0])
        return {name for name in ACTIONS if name.startswith(begin)} or {f"{begin}…"}
    if isinstance(action, ast.Constant):
        return {str(action.value)}
    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    found = getattr(module, ast.unparse(action.value if isinstance(action, ast.Subscript) else action))
    return set(found.values()) if isinstance(action, ast.Subscript) else {found}


def test_every_action_of_the_audit_log_has_words_and_no_others_have() -> None:
    paths = [path for package in ("service", "workers", "integrations") for path in (ROOT / package).rglob("*.py")]
    recorded = {
        name for path in paths for function, call in _calls(path) for name in _actions(path, function, call.args[2])
    }
    assert recorded == set(ACTIONS)
