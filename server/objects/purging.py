"""All objects of a class deleted at once."""

from collections.abc import Iterator

from server.objects.access import both
from server.objects.save import ClassRules
from server.storage.port import (
    EVERYTHING,
    ClassSchema,
    Compares,
    Condition,
    Document,
    ObjectStore,
    OneOf,
    Order,
    Query,
    SortKey,
)

_PAGE_SIZE = 100


def purge(objects: ObjectStore, schema: ClassSchema, rules: ClassRules | None) -> None:
    """Delete every object of a class; where it has rules, they end what hangs on each.

    With rules it goes page by page, so that an end of this process leaves at most a page of objects
    gone of which the rules only know that they were about to go. Raises StoreUnavailable.
    """
    if rules is None:
        objects.delete(schema, EVERYTHING)
        return
    for documents in pages(objects, schema, EVERYTHING):
        for document in documents:
            rules.deleting(schema.class_name, document)
        objects.delete(schema, OneOf("objectId", tuple(each["objectId"] for each in documents)))
        for document in documents:
            rules.deleted(schema.class_name, document)


def pages(objects: ObjectStore, schema: ClassSchema, where: Condition) -> Iterator[list[Document]]:
    """Yield the objects that fulfil a condition, a page at a time in the order of their ids; what
    becomes of a page meanwhile does not matter to the next."""
    beyond: Condition = EVERYTHING
    while True:
        query = Query(both(where, beyond), order=(SortKey("objectId"),), limit=_PAGE_SIZE)
        page = objects.find(schema, query)
        if not page:
            return
        yield page
        beyond = Compares("objectId", Order.GREATER, page[-1]["objectId"])
