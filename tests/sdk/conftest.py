"""The official JavaScript SDK, and node to run it."""

from pathlib import Path

import pytest
from node_packages import installed


@pytest.fixture(scope="session")
def sdk():
    """The folder of the SDK that package-lock.json pins; installed once, and again when it
    changes."""
    return installed(Path(__file__).parent, "sdk")
