"""ICC profiles, made from primaries and curves."""

import struct

import numpy as np

SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
DISPLAY_P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
ADOBE_RGB = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
PROPHOTO = ((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001))
LEVELS = np.linspace(0, 1, 256)
D50, D65 = (0.9642, 1, 0.8249), (0.9505, 1, 1.0891)
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def srgb_curve(levels=LEVELS):
    dark = levels / 12.92
    return np.where(levels <= 0.04045, dark, ((levels + 0.055) / 1.055) ** 2.4)


def rgb_profile(primaries=SRGB, curve=None, white=D65, added=(), space=b"RGB "):
    """One of matrix and curves; `curve` is a tag's body, or the light of evenly spaced levels."""
    curve = srgb_curve() if curve is None else curve
    tag = curve if isinstance(curve, bytes) else curve_tag(curve)
    columns = _columns(primaries, white).T
    tags = {
        bytes([name]) + b"XYZ": _xyz(column) for name, column in zip(b"rgb", columns, strict=True)
    }
    tags |= {bytes([name]) + b"TRC": tag for name in b"rgb"}
    return profile([*tags.items(), *added], space)


def grey_profile(curve):
    return profile([(b"kTRC", curve_tag(curve))], b"GRAY")


def profile(tags, space=b"RGB "):
    tags = [(b"wtpt", _xyz(D50)), (b"cprt", b"text\0\0\0\0x\0\0\0"), *tags]
    table, body = struct.pack(">I", len(tags)), b""
    start = 132 + 12 * len(tags)
    for name, tag in tags:
        table += name + struct.pack(">II", start + len(body), len(tag))
        body += tag + bytes(-len(tag) % 4)
    size = start + len(body)
    head = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02400000, b"mntr", space, b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + _xyz(D50)[8:]
    return head.ljust(128, b"\0") + table + body


def curve_tag(light):
    values = np.clip(np.round(np.asarray(light) * 65535), 0, 65535).astype(">u2")
    return b"curv\0\0\0\0" + struct.pack(">I", len(values)) + values.tobytes()


def gamma_tag(gamma):
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))


def parametric_tag(kind, *values):
    return b"para\0\0\0\0" + struct.pack(
        f">HH{len(values)}i", kind, 0, *(round(v * 65536) for v in values)
    )


def _columns(primaries, white):
    """The colorants, adapted to D50."""
    matrix = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    matrix = matrix * np.linalg.solve(matrix, np.array(white))
    scale = np.diag((_BRADFORD @ np.array(D50)) / (_BRADFORD @ np.array(white)))
    return np.linalg.inv(_BRADFORD) @ scale @ _BRADFORD @ matrix


def _xyz(values):
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(float(value) * 65536) for value in values))
