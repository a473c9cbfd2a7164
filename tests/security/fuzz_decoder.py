"""Coverage-guided fuzzing of the decoder: `fuzz_decoder.py SEEDS [libFuzzer's options]`.

Ends with status 0 when every input was decoded or refused with an error of ours, and says how many
runs that were.
"""

import contextlib
import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
with atheris.instrument_imports(include=["ml_models", "PIL"]):
    from ml_models.child import limit_memory
    from ml_models.errors import ImageError
    from ml_models.images import decode
    from ml_models.memory import PixelBuffer

# libFuzzer's own memory counts here, so a picture's 250 MB are no bound to set; without any, one
# damaged file's claim of gigabytes would be taken for a crash.
MEMORY_BYTES = 1536 * 1024 * 1024

buffer = PixelBuffer()


def one(data):
    with contextlib.suppress(ImageError):
        decode(data, 1_000_000, buffer)


if __name__ == "__main__":
    limit_memory(MEMORY_BYTES)
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
