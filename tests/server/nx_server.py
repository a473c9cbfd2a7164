"""Start nx-27017, a MongoDB server over SQLite from PyPI, with a little of MongoDB put back.

Takes nx-27017's own arguments. Only what a line or two can mend is mended; the other gaps are
marked in the tests.
"""

import copy
import re

from neosqlite import Connection, query_operators
from neosqlite.collection.expr_evaluator import ExprEvaluator
from neosqlite.collection.index_manager import IndexManager
from neosqlite.collection.query_helper import QueryHelper, set_force_fallback
from neosqlite.collection.sql_translator_unified import SQLClauseBuilder
from nx_27017.nx_27017 import main


def all_of(field, values, document):
    """$all, which here refuses objects as values and is true of no values."""
    return bool(values) and all(query_operators._eq(field, value, document) for value in values)


def differs(field, value, document):
    """$ne, which here holds for a missing column even if the value is null."""
    return not query_operators._eq(field, value, document)


def finds(field, pattern, document, options="", original=query_operators._regex):
    r"""$regex, which here does not know `\Q...\E`."""
    quoted = re.sub(r"\\Q(.*?)(\\E|\Z)", lambda match: re.escape(match[1]), pattern, flags=re.S)
    return original(field, quoted, document, options)


def update(helper, row, change, document, *rest, original=QueryHelper._perform_python_update):
    """Apply an update; $unset leaves members of objects here."""
    document = copy.deepcopy(document)
    for path in change.get("$unset", {}):
        *parents, name = path.split(".")
        holder = document
        for parent in parents:
            holder = holder.get(parent, {})
        holder.pop(name, None)
    return original(helper, row, change, document, *rest)


def group(helper, stage, documents, original=QueryHelper._process_group_stage):
    """$group by an object of several expressions, which here is one literal key."""
    keys = stage.get("_id")
    if isinstance(keys, dict) and not any(name.startswith("$") for name in keys):
        value = ExprEvaluator(db_connection=helper.collection.db)._evaluate_operand_python
        found = [{name: value(key, row) for name, key in keys.items()} for row in documents]
        documents = [{**row, "keys": k} for row, k in zip(documents, found, strict=True)]
        stage = {**stage, "_id": "$keys"}
    return original(helper, stage, documents)


def logical(builder, *args, original=SQLClauseBuilder._build_logical_condition):
    """Translate $or and its like to SQL; beside another condition they come apart here."""
    sql, parameters = original(builder, *args)
    return f"({sql})" if sql else sql, parameters


COLON = "_colon_"


def collection(connection, name, original=Connection.__getitem__):
    """Return a collection; colons in names are refused here."""
    return original(connection, name.replace(":", COLON))


def names(connection, *args, original=Connection.list_collection_names, **options):
    """Return the names of all collections, colons included."""
    return [name.replace(COLON, ":") for name in original(connection, *args, **options)]


def index(manager, key, *rest, original=IndexManager.create_index, **options):
    """Make an index; one of `_id` and something else is refused here."""
    if isinstance(key, list) and len(key) > 1:
        key = [part for part in key if part[0] != "_id"]
    return original(manager, key, *rest, **options)


if __name__ == "__main__":
    set_force_fallback()  # in SQL, updates turn booleans into 0/1 and dates into text
    query_operators._all, query_operators._ne, query_operators._regex = all_of, differs, finds
    Connection.__getitem__, Connection.list_collection_names = collection, names
    QueryHelper._perform_python_update, QueryHelper._process_group_stage = update, group
    IndexManager.create_index, SQLClauseBuilder._build_logical_condition = index, logical
    main()
