"""The books of an installation, and what must hold of them whatever happened to its processes.

Each image that anybody was told of is in exactly one state; a log explains every step that led
there; the object shows it; what is safe was judged; and what is gone has ended.
"""

from collections import Counter

from parse_calls import FLAGS, count, find, verdict_on, wait_until

JUDGES = {"rules", "memory", "master key"}
MIRRORED = {*FLAGS.values(), "NSFWPredictions"}


class Books:
    """All objects, their items, and the items' logs, as they are now."""

    def __init__(self, server):
        self.objects = {row["objectId"]: row for row in find(server, "UserImage")}
        self.items = {row["objectId"]: row for row in find(server, "ModerationItem")}
        self.logs = {item_id: [] for item_id in self.items}
        for decision in find(server, "ModerationDecision"):
            self.logs[decision["item"]["objectId"]].append(decision)
        for log in self.logs.values():
            log.sort(key=lambda decision: decision["number"])

    def states(self):
        """How many objects show what."""
        return Counter(shown_state(row) for row in self.objects.values() if "image" in row)

    def check(self):
        for item in self.items.values():
            check_the_log(item, self.logs[item["objectId"]])
        shown = [item for item in self.items.values() if item["state"] != "ended"]
        with_files = [object_id for object_id, row in self.objects.items() if "image" in row]
        assert Counter(item["subjectId"] for item in shown) == Counter(with_files)
        for object_id in self.objects.keys() - with_files:
            assert self.objects[object_id].keys().isdisjoint(MIRRORED)
        for item in shown:
            row = self.objects[item["subjectId"]]
            assert item["fileName"] == row["image"]["name"]
            assert shown_state(row) == item["state"]
            assert row.get("NSFWPredictions") == item.get("predictions")
        return self


def shown_state(row):
    """The one state that an object's columns say."""
    flags = [state for state, name in FLAGS.items() if row[name]]
    assert len(flags) < 2, row
    return flags[0] if flags else "pending"


def check_the_log(item, log):
    """Its decisions lead from pending to where the item stands, each begun where the last ended."""
    assert [decision["number"] for decision in log] == list(range(1, item["transitions"] + 1))
    path = [decision["before"] for decision in log] + [item["state"]]
    assert path == ["pending", *(decision["after"] for decision in log)]
    assert "unsettled" not in item
    for decision in log:
        check_the_decision(decision)


def check_the_decision(decision):
    """It says why, judges the image that it is about, and no rule overrules a person."""
    assert decision["reasons"] or decision["after"] == "approved"
    if decision["decidedBy"] == "rules":
        assert decision["before"] == "pending"
        assert decision["policyVersion"] == 1
        assert decision["after"] == verdict_on(decision["fileName"]), decision
    if decision["after"] == "approved":
        assert decision["decidedBy"] in JUDGES
        assert decision["predictions"] or decision["decidedBy"] == "master key"


def are_at_rest(server):
    """Whether nothing is pending, and all that follows from decisions and removals is written."""
    waits = [{"state": "pending"}, {"unsettled": {"$exists": True}}]
    is_busy = any(count(server, "ModerationItem", **what) for what in waits)
    return not is_busy and not count(server, "ModerationCheck", looks=0)


def wait_until_at_rest(server, timeout_s=60):
    """Return the books once nothing is pending or unsettled any more."""
    wait_until(lambda: are_at_rest(server), timeout_s, every_s=0.3, explain=lambda: explain(server))
    return Books(server)


def explain(server):
    waiting = find(server, "ModerationItem", state="pending")
    return f"{len(waiting)} pending, such as {waiting[:2]}\n{server.log.read_text()[-3000:]}"
