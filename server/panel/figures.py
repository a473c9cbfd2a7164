"""Being written."""

from server.services import Services


class StoredFigures:
    """Being written."""

    def __init__(self, services: Services) -> None:
        self._services = services
