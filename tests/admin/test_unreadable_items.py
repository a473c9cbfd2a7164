"""The panel beside rows of moderation that nobody can read: every page shows the others."""

import pytest
from item_rows import NOON, ItemRows

from cloud.moderation.items import State
from cloud.values import Pointer
from server.moderation.items import DECISION, ITEM

PAGES = [
    "/review", "/sweep", "/history", "/history?name=object1", "/dashboard", "/policy", "/export",
    "/export/decisions.json?what=all", "/export/decisions.csv?what=all", "/retention",
]  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_shown(panel, page):
    rows = ItemRows(panel.services.database)
    rows.item("a", State.REJECTED, object_id="object1", scores={"porn": 0.9})
    rows.item("b", State.REVIEW, scores={"sexy": 0.7})
    stamps = {"createdAt": NOON, "updatedAt": NOON, "ACL": {}}
    decided = {"state": "review", "lane": "review", "decidedAt": NOON, "subjectId": "object1"}
    unsettled = {"unsettled": {"a": 1}, "unsettledSince": NOON}
    rows.objects.insert(ITEM, {"objectId": "bad1", **stamps, **decided, **unsettled})
    rows.objects.insert(ITEM, {"objectId": "bad2", **stamps, "state": "pending", "dueAt": NOON})
    for number, item_id in enumerate(["a", "bad1"]):
        item = {"item": Pointer("ModerationItem", item_id), "number": number, "byPerson": True}
        rows.objects.insert(DECISION, {"objectId": f"bad-{number}", **stamps, **item})
    answer = panel.browser("alice").get(page)
    assert (answer.status_code, bool(answer.text)) == (200, True)
