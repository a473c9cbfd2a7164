"""The indexes by which past decisions are searched; declared with the other indexes of items.

Each begins with what it is chosen for and the order of the page, newest decision first. The other
columns that a search may ask for follow, so whatever is combined, a row is read only once the index
alone has said that it is wanted.
"""

from server.storage.port import Index

_NEWEST = ("decidedAt", "objectId")
_SEARCHED = (
    "state", "decidedBy", "uploader", "category", "policyVersion", "legalHold", "createdAt",
    "scoreDrawing", "scoreHentai", "scoreNeutral", "scorePorn", "scoreSexy",
)  # fmt: skip


def _index(name: str, *first: str) -> Index:
    return Index(name, (*first, *_NEWEST, *(column for column in _SEARCHED if column not in first)))


BY_DECISION = _index("history")
BY_UPLOADER = _index("history_uploader", "uploader")
BY_DECIDER = _index("history_decider", "decidedBy")
BY_UPLOAD = Index("state_uploaded", ("state", "createdAt", "objectId"))
"""For items that nobody has decided about yet."""
BY_CONTENT = Index("content", ("contentSha256",))
BY_SUBJECT = Index("subject_id", ("subjectId", "subjectClass"))

ITEM_INDEXES = (BY_DECISION, BY_UPLOADER, BY_DECIDER, BY_UPLOAD, BY_CONTENT, BY_SUBJECT)

BY_TIME = Index("created_id", ("createdAt", "objectId"))
"""For the log of decisions."""
