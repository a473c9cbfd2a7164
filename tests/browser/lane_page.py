"""The review lane in a browser, as tests drive it."""

from weakref import WeakKeyDictionary

_COOKIES = WeakKeyDictionary()


class LanePage:
    """One moderator's lane."""

    def __init__(self, site, page, who="alice", query=""):
        self.site, self.page = site, page
        known = _COOKIES.setdefault(site, {})
        if who in known:  # signing in takes longer than most tests
            page.context.add_cookies(known[who])
        else:
            site.sign_in(page, who)
            known[who] = page.context.cookies()
        page.goto(f"{site.url}/admin/review{query}")

    @property
    def item(self):
        """The id of the image in hand; None when the lane is empty."""
        return self.page.input_value("#decide [name=item_id]", timeout=3000) or None

    def wait_for_other_than(self, item):
        self.page.wait_for_function(
            "id => document.querySelector('#decide [name=item_id]').value !== id", arg=item
        )
        return self.item

    def wait_for(self, item):
        """Look for images until this one comes, as an empty lane does every 15 seconds."""
        self.page.wait_for_function(
            "id => lane.item?.id === id || (lane.item ? lane.skip() : lane.unskip(), false)",
            arg=item,
        )

    def wait_until_warm(self, count=6):
        """Wait until the next images are claimed and their pictures at hand."""
        self.page.wait_for_function(
            """count => lane.ahead.length >= count - 1 && [lane.item, ...lane.ahead].every(
                 (item) => lane.pictures.ready(lane.view.arrivesAs(item)))""",
            arg=count,
        )

    def wait_until_seen(self):
        """Wait until what is pressed is meant for the image in hand, as people are slow enough."""
        self.page.wait_for_function("() => !lane.isTooSoon")

    def wait_until_sent(self):
        self.page.wait_for_function("() => lane.queue.entries.length === 0")

    def press(self, key):
        """Press a key, no sooner than it counts, and return the image that was in hand."""
        item = self.item
        self.wait_until_seen()
        if key in ("l", "ArrowRight"):  # who approves has looked at it
            self.page.wait_for_function("() => !lane.view.awaitsPicture")
        self.page.keyboard.press(key)
        return item

    def said(self):
        return self.page.inner_text("#said")

    def toasts(self):
        return self.page.locator(".toast").all_inner_texts()

    def decisions(self, item):
        """What moderators decided of an item, oldest first, as the log has it."""
        rows = [
            row
            for row in self.site.rows("ModerationDecision")
            if row["item"]["objectId"] == item and row["decidedBy"].startswith("user:")
        ]
        return sorted(rows, key=lambda row: row["number"])

    def states(self, *items):
        stored = {row["objectId"]: row["state"] for row in self.site.rows("ModerationItem")}
        return [stored[item] for item in items]
