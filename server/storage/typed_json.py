"""The JSON that stands for a Pointer, File, ... inside arrays and objects, in every database.

Dates and bytes are not among it: each database has a form of its own for them.
"""

from typing import Any

from cloud.values import File, GeoPoint, Pointer, Polygon, Relation


def typed_json(value: Any) -> dict[str, Any] | None:
    """Return the object with `__type`; None for what is no instance of these classes."""
    match value:
        case Pointer(class_name, object_id):
            return {"__type": "Pointer", "className": class_name, "objectId": object_id}
        case File(name, None):
            return {"__type": "File", "name": name}
        case File(name, url):
            return {"__type": "File", "name": name, "url": url}
        case GeoPoint(latitude, longitude):
            return {"__type": "GeoPoint", "latitude": latitude, "longitude": longitude}
        case Polygon(points):
            return {"__type": "Polygon", "coordinates": [list(point) for point in points]}
        case Relation(target_class):
            return {"__type": "Relation", "className": target_class}
    return None
