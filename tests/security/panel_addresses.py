"""Every page of the panel, by its own list of addresses."""

import re

_VALUES = {"kind": "preview", "part": "x", "deed": "disable", "nowhere": "x"}
_VARIABLE = re.compile(r"<(?:\w+(?:\(.*?\))?:)?(\w+)>")


def panel_paths(app, item_id, user_id="x"):
    """The paths of all pages, those of an item and of a moderator for these ones."""
    values = {**_VALUES, "item_id": item_id, "user_id": user_id}
    return [
        _VARIABLE.sub(lambda variable: values[variable[1]], rule.rule)
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("admin.")
        and "GET" in rule.methods
        and rule.endpoint != "admin.static"
    ]
