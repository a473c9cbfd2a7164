"""The real models, obtained once and shared by all tests that classify."""

import os
from pathlib import Path

import pytest

from ml_models import pretrained
from ml_models.errors import ModelUnavailable

_REPOSITORY = Path(__file__).resolve().parents[1]


def _no_download(url: str, destination: Path) -> None:
    raise ModelUnavailable(f"The known models need no URL, but {url} was asked for.")


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """The folder that holds all known models, converted; fetches what is missing."""
    default = _REPOSITORY / "data" / "models"
    folder = Path(os.environ.get("PARSEWARDEN_TEST_MODELS") or default)
    for name in pretrained.known_names():
        pretrained.obtain(name, folder, download=_no_download)
    return folder
