"""What cloud code raises to answer with an error of its own."""

SCRIPT_FAILED = 141
VALIDATION_ERROR = 142


class CloudError(Exception):
    """An answer of this code and message, which reach the client.

    Any other exception is logged, and the client learns only that the script failed. The code is
    None for the few refusals of the server that have none.
    """

    def __init__(self, message: str, code: int | None = SCRIPT_FAILED) -> None:
        self.code = code
        super().__init__(message)


class ValidationFailed(CloudError):
    """What was sent does not do: code 142."""

    def __init__(self, message: str = "Validation failed.") -> None:
        super().__init__(message, VALIDATION_ERROR)
