"""What can go wrong between bytes and predictions.

`str(error)` is the sentence for the log; `public_message` is the one for the client and never holds
a path or an address.
"""


class MlModelsError(Exception):
    """Base of every error that this package raises on purpose."""

    public_message = "The image could not be classified."


class ImageError(MlModelsError):
    """The bytes are at fault: another try with the same bytes ends the same way.

    `arguments` make an equal error in another process.
    """

    def __init__(self, detail: str) -> None:
        self.arguments: tuple[str | int, ...] = (detail,)
        super().__init__(detail)


class UnsupportedImage(ImageError):
    """The bytes are not an image of a format that we read."""

    public_message = (
        "The data is not an image of a supported format: "
        "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC."
    )


class DecodeError(ImageError):
    """The bytes begin like an image but cannot be decoded whole."""

    public_message = "The image is damaged or incomplete and could not be decoded."


class AmbiguousImage(DecodeError):
    """Browsers show another picture than is decoded here, so a verdict would be on another one."""

    public_message = (
        "Programs show this image in different ways, for its colours, transparency or layout are "
        "described in an unusual one. Save it again as an ordinary JPEG or PNG."
    )


class ImageTooLarge(ImageError):
    """The header declares more pixels than allowed; nothing was allocated for them."""

    def __init__(self, width_px: int, height_px: int, max_pixels: int) -> None:
        self.width_px, self.height_px, self.max_pixels = width_px, height_px, max_pixels
        self.public_message = (
            f"The image is {width_px} x {height_px} pixels; at most {max_pixels} are accepted."
        )
        super().__init__(self.public_message)
        self.arguments = (width_px, height_px, max_pixels)


class TooMuchMemory(DecodeError):
    """Decoding would take more memory than one image may. As a rule the header tells, and nothing
    was allocated; `needed_bytes` is 0 where it was only found out on the way."""

    def __init__(self, max_bytes: int, needed_bytes: int = 0) -> None:
        self.max_bytes, self.needed_bytes = max_bytes, needed_bytes
        self.public_message = (
            f"Decoding the image takes more than {max_bytes / 1e6:.0f} MB of memory, the most that "
            "is allowed. Send it with fewer pixels, or as a JPEG that is not progressive."
        )
        need = f"{needed_bytes / 1e6:.0f} MB" if needed_bytes else "more"
        super().__init__(f"decoding takes {need}, MAX_IMAGE_MEMORY allows {max_bytes / 1e6:.0f} MB")
        self.arguments = (max_bytes, needed_bytes)


class ModelError(MlModelsError):
    """The model is at fault: no image can be classified until the operator acts."""

    public_message = "The model is not ready yet. Try again shortly."


class ModelMissing(ModelError):
    """The model has not been obtained into the models folder."""


class ModelDamaged(ModelError):
    """A file cannot be loaded, or is not what its recorded or pinned sha256 says."""


class ModelUnsupported(ModelError):
    """The file is no model of ours: an unknown format, operation, input or output shape."""


class ModelUnavailable(ModelError):
    """The model's files could not be obtained: offline, or the source refused."""


class ClassifierBusy(MlModelsError):
    """Every permit is taken and the bounded queue for one is full, or the wait was too long."""

    public_message = "The server is busy classifying other images. Try again shortly."


# By name, as they come from another process together with their arguments.
IMAGE_ERRORS: dict[str, type[ImageError]] = {
    kind.__name__: kind
    for kind in (UnsupportedImage, DecodeError, AmbiguousImage, TooMuchMemory, ImageTooLarge)
}
