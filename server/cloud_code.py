"""Loads the operator's cloud code beside ours."""

import logging
import runpy
import sys
import traceback
from pathlib import Path

import cloud.functions
import cloud.moderation_functions  # noqa: F401 - defines moderationStatus and moderationAppeal
from config import SettingsError

logger = logging.getLogger(__name__)

_OURS = ("ml_models", "cloud", "admin", "server")
_CLOUD_CODE = Path(__file__).parent.parent / "cloud" / "main.py"


def load_cloud_code(name: str) -> None:
    """Run the operator's cloud code; what it defines replaces ours of the same name.

    Raises SettingsError for code that does not load.
    """
    path = cloud_code_path(name)
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # so that it can import its neighbours
    try:
        runpy.run_path(str(path), run_name="cloud_code_main")
    except (Exception, SystemExit) as error:  # cloud code is the user's and may raise anything
        problem = f"{type(error).__name__}: {error}{_place(error, path)}"
        raise SettingsError(f"CLOUD_CODE_MAIN: {path} cannot be loaded: {problem}") from error


def cloud_code_path(name: str) -> Path:
    """The file of CLOUD_CODE_MAIN. Raises SettingsError when there is none."""
    path = Path(name)
    if path.suffix == ".js":
        logger.warning("CLOUD_CODE_MAIN %s is JavaScript; cloud/main.py is loaded instead", name)
        path = _CLOUD_CODE
    if not path.is_file():
        raise SettingsError(f"CLOUD_CODE_MAIN: there is no file {path}")
    return path


def _place(error: BaseException, path: Path) -> str:
    """Where in the operator's own files it went wrong: `, line 2 of /app/cloud/main.py`."""
    found = [
        (line, frame.f_code.co_filename)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if _is_operators(frame.f_code.co_filename, frame.f_globals.get("__name__", ""), path)
    ]
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).is_file():
        found.append((error.lineno or 1, error.filename))
    return f", line {found[-1][0]} of {found[-1][1]}" if found else ""


def _is_operators(file: str, module: str, path: Path) -> bool:
    """Whether it is the file of CLOUD_CODE_MAIN, or a neighbour that it imports."""
    if Path(file) == path:
        return True
    is_beside = Path(file).is_relative_to(path.parent.absolute())
    is_ours = module.partition(".")[0] in _OURS
    return is_beside and not is_ours and "site-packages" not in file
