"""What `.env` is read for besides its settings: which of its lines do nothing, and what it lacks.

Misspelt names are looked for in the file alone, which is the operator's own; the environment holds
others' as well. Of a line nothing but its number and its name is told: the rest may be a key.
"""

import logging
import os
import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import Binding, parse_stream
from pydantic import AliasChoices

from config import Settings

logger = logging.getLogger(__name__)

FILE = Path(".env")
# The settings that say where an installation lies and answers, by their names in an environment.
_PLACES = {
    "DATA_DIR": "data_dir",
    "DATABASE_URI": "database_uri",
    "MONGODB_URI": "database_uri",
    "MODELS_DIR": "models_dir",
    "TF_MODEL_URL": "tf_model_url",
    "TF_MODEL_INPUT_SHAPE_SIZE": "tf_model_input_shape_size",
    "PORT": "port",
}
# What compose, docker and Celery look up in the same file, or in the environment made of it.
_OTHERS = ("COMPOSE_", "DOCKER_", "BUILDKIT_", "CELERY_")
_TELEMETRY = "OTEL_"
_LINE_END = re.compile(r"\r\n|\n|\r")
_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}|[a-z][a-z0-9_]{0,63}")
# How alike two names are, of 1, when one is the other misspelt; with somebody else's beginning they
# are alike anyway.
_LIKE, _OTHERS_LIKE = 0.75, 0.9


def neglected_lines(file: Path = FILE) -> list[str]:
    """Say of each line that has no effect which it is, and why; no file has none."""
    try:
        with file.open(encoding="utf-8") as stream:
            return [f"{file} {text}" for binding in parse_stream(stream) for text in _said(binding)]
    except OSError:  # as where there is none: whatever reads the settings finds none either
        return []


def warn_of_neglected() -> None:
    """Write these sentences into the log; for a process that begins to serve."""
    for sentence in neglected_lines():
        logger.warning("%s", sentence)


def only_in_environment(file: Path = FILE) -> dict[str, str]:
    """Where an installation lies and answers, as far as neither `file` nor a default says so.

    What may hold a password, such as a database's URI, is replaced by a word that none is.
    """
    in_file = dotenv_values(file) if file.is_file() else {}
    found = {}
    for name, field in _PLACES.items():
        value, default = os.environ.get(name), Settings.model_fields[field].default
        if value and value != (in_file.get(name) or str(default)):
            found[name] = f"<{name}>" if _may_be_secret(name, value) else value
    return found


def _may_be_secret(name: str, value: str) -> bool:
    """A user and password before the host, or the signature of a model's URL."""
    return "@" in value or (name == "TF_MODEL_URL" and "?" in value)


def setting_names() -> frozenset[str]:
    """The name of every setting, in capitals; a name counts in either case of letters."""
    names: set[str] = set()
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        choices = alias.choices if isinstance(alias, AliasChoices) else [name]
        names.update(str(choice).upper() for choice in choices)
    return frozenset(names)


def _said(binding: Binding) -> Iterator[str]:
    text = binding.original.string
    blank = text[: len(text) - len(text.lstrip())]
    line = f"line {binding.original.line + len(_LINE_END.findall(blank))}"
    if (binding.key or "").upper() in setting_names() and binding.value is not None:
        return
    if binding.error or (binding.key and not _is_name(binding)):
        yield f"{line} cannot be read: it is not of the form NAME=value"
    elif binding.key:
        yield from _of_unknown(binding.key, line)


def _is_name(binding: Binding) -> bool:
    """Whether it may be told: the last line of a key in base64 looks like NAME= as well."""
    return binding.value is not None and _NAME.fullmatch(binding.key or "") is not None


def _of_unknown(name: str, line: str) -> Iterator[str]:
    is_others = name.upper().startswith(_OTHERS)
    least = _OTHERS_LIKE if is_others else _LIKE
    meant = get_close_matches(name.upper(), sorted(setting_names()), n=1, cutoff=least)
    if name.startswith(_TELEMETRY):
        yield f"{line}: {name} has no effect here: it is read from the environment alone"
    elif meant:
        yield f"{line}: {name} is no setting; did you mean {meant[0]}?"
    elif not is_others:
        yield f"{line}: {name} is no setting, and has no effect"
