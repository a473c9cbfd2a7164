"""Being written."""

from server.services import Services


class StoredAccounts:
    """Being written."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def session(self, token: str) -> None:
        return None

    def names(self, decided_by: object) -> dict[str, str]:
        return {}
