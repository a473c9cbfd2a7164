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
        where = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.line]
        line = f", line {where[-1].lineno} of {where[-1].filename}" if where else ""
        problem = f"{type(error).__name__}: {error}{line}"
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
