"""What can go wrong on the way to a verdict, as the ports of this package promise it.

`str(error)` is the sentence for the log; `public_message` is the one for the client and never holds
an address, a path or a stack trace.
"""


class ModerationError(Exception):
    """Base of every error that moderation and its ports raise on purpose."""

    public_message = "The image could not be moderated."

    def __init__(self, detail: str, public_message: str | None = None) -> None:
        super().__init__(detail)
        if public_message is not None:
            self.public_message = public_message


class InvalidSource(ModerationError):
    """The call names no image, several, or one in a form that we cannot read."""


class ImageTooManyBytes(ModerationError):
    """The image has more bytes than allowed, as sent or after content decoding."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        sentence = f"The image has more than {max_bytes} bytes, the most that is accepted."
        super().__init__(sentence, sentence)


class FetchError(ModerationError):
    """The image could not be fetched from its URL."""


class InvalidUrl(FetchError):
    """The URL is not an absolute http or https URL with a plain host name."""


class AddressRefused(FetchError):
    """The URL, or a redirect, leads to a host, address or port that we do not talk to."""


class UpstreamFailed(FetchError):
    """The host cannot be found or reached, or answered with something other than an image."""


class FetchTimedOut(FetchError):
    """The image was not there whole before the deadline."""


class StoreUnavailable(ModerationError):
    """The database cannot be reached or refused the write; nothing was recorded."""

    public_message = "The database is not reachable at the moment. Try again shortly."


class StoreFull(StoreUnavailable):
    """There is no room for the write; nothing was recorded."""

    public_message = "The server has no room left to store this. Try again later."
