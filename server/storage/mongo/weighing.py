"""What a document of BSON comes to in memory, told without unpacking it.

By the format alone (https://bsonspec.org/spec.html): a byte for the type, a name, a value whose
size follows from its type or stands before it.
"""

from bson.errors import InvalidBSON

from server.storage.budget import CONTAINER_BYTES, ELEMENT_BYTES, MEMBER_BYTES, Weight

_OBJECT, _ARRAY = 3, 4
_TEXTS = (2, 13, 14)
_BINARY, _PATTERN, _DB_POINTER, _SCOPED_CODE = 5, 11, 12, 15
# Double, undefined, ObjectId, boolean, date, null, int32, timestamp, int64, Decimal128, and the
# least and greatest key.
_SIZES = {1: 8, 6: 0, 7: 12, 8: 1, 9: 8, 10: 0, 16: 4, 17: 8, 18: 8, 19: 16, 255: 0, 127: 0}
# How long each is in JSON.
_LENGTHS = {1: 24, 6: 4, 7: 26, 8: 5, 9: 50, 10: 4, 16: 12, 17: 22, 18: 22, 19: 24, 255: 4, 127: 4}
_HEAVY_BYTES = 64  # a date, an id, Int64


def weight_of_bson(raw: bytes) -> Weight:
    """Weigh a document. Raises InvalidBSON for what is none."""
    weight = Weight()
    held = length = 0
    in_array = [False]
    position, sizes, lengths = 4, _SIZES, _LENGTHS
    try:
        while in_array:
            kind = raw[position]
            if kind == 0:
                position += 1
                in_array.pop()
                continue
            end = raw.index(0, position + 1)
            held += ELEMENT_BYTES
            if not in_array[-1]:
                held += MEMBER_BYTES
                weight.add_text(raw[position + 1 : end].decode("utf-8", "replace"))
                length += 4
            position = end + 1
            if kind in sizes:
                position += sizes[kind]
                length += lengths[kind]
                if kind not in (1, 8, 10, 16):
                    held += _HEAVY_BYTES
            elif kind in (_OBJECT, _ARRAY):
                held += CONTAINER_BYTES
                length += 3
                in_array.append(kind == _ARRAY)
                position += 4
            else:
                size = int.from_bytes(raw[position : position + 4], "little")
                if kind in _TEXTS:
                    text = raw[position + 4 : position + 3 + size]
                    weight.add_text(text.decode("utf-8", "replace"))
                    position += 4 + size
                elif kind == _BINARY:
                    held += size
                    length += 2 * size
                    position += 5 + size
                elif kind == _SCOPED_CODE:
                    held += _HEAVY_BYTES + size
                    position += size
                elif kind == _DB_POINTER:
                    held += _HEAVY_BYTES + size
                    position += 16 + size
                elif kind == _PATTERN:
                    position = raw.index(0, raw.index(0, position) + 1) + 1
                else:
                    raise InvalidBSON(f"{kind} is no type of BSON")
    except (IndexError, ValueError):
        raise InvalidBSON("no whole document") from None
    weight.held += held
    weight.add_plain(length)
    return weight
