"""How a command of ours is called, for every sentence that tells somebody to call one."""

import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

# Of the settings that a command may need in front, those that it does not by its first word.
_NO_MATTER: Mapping[str, frozenset[str]] = {
    "models": frozenset({"DATABASE_URI", "MONGODB_URI", "PORT"}),
    "demo": frozenset({"PORT"}),
    "create-moderator": frozenset(
        {"PORT", "MODELS_DIR", "TF_MODEL_URL", "TF_MODEL_INPUT_SHAPE_SIZE"}
    ),
}

_inherited: dict[str, str] = {}


@contextmanager
def inherited(settings: Mapping[str, str]) -> Iterator[None]:
    """Put these settings in front of every command meanwhile, as far as it needs them.

    They are those that only this process's environment gives, and another shell's would not.
    """
    before = _inherited.copy()
    _inherited.update(settings)
    try:
        yield
    finally:
        _inherited.clear()
        _inherited.update(before)


def own_command(arguments: str) -> str:
    """Write `python -m server <arguments>` as it works when pasted where this process was started.

    That is with the Python that runs us, which is seldom the first one in the PATH: after
    `make run` it is .venv/bin/python, and any other lacks our packages. And with the settings that
    were inherited.
    """
    no_matter = _NO_MATTER.get(arguments.split()[0], frozenset())
    settings = (
        f"{name}={shlex.quote(value)} "
        for name, value in _inherited.items()
        if name not in no_matter
    )
    return f"{''.join(settings)}{_python()} -m server {arguments}"


def _python() -> str:
    ours = Path(sys.executable).absolute()  # not resolved: a venv's is a link to the system's
    for name in ("python", "python3"):
        found = shutil.which(name)
        if found is not None and Path(found).absolute() == ours:
            return name
    is_below = ours.is_relative_to(Path.cwd())
    return shlex.quote(os.path.relpath(ours) if is_below else str(ours))
