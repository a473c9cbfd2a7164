"""The panel as its users meet it: a running server, moderators, images that wait, a browser."""

import io
import json
import subprocess
import sys
import time

import numpy as np
from PIL import Image
from running_server import REPOSITORY, bare_environment

KEYS = {"X-Parse-Application-Id": "myAppId", "X-Parse-Master-Key": "myMasterKey"}
PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1280, "height": 800}


def picture(number, size=(480, 360)):
    """A JPEG that no other number gives: coloured fields, so that thumbnails can be told apart."""
    colours = np.random.default_rng(number).integers(0, 255, (6, 8, 3), np.uint8)
    fields = Image.fromarray(colours).resize(size, Image.Resampling.NEAREST)
    output = io.BytesIO()
    fields.save(output, "JPEG", quality=85)
    return output.getvalue()


class PanelSite:
    """One server with its panel; `server` is a running_server.Server."""

    def __init__(self, server, data_dir):
        self.server, self.data_dir = server, data_dir
        self.url = f"http://127.0.0.1:{server.port}"

    def parse(self, method, path, body=None):
        """One Parse call with the master key; returns the answer's JSON."""
        headers = {**KEYS, "Content-Type": "application/json"}
        sent = None if body is None else json.dumps(body)
        status, answer = self.server.request(method, f"/parse{path}", sent, headers)
        assert status < 300, (path, answer)
        return answer

    def moderator(self, name, password="correct horse", *, admin=False):
        """Make somebody who can sign in."""
        command = [sys.executable, "-m", "server", "create-moderator", name, "--password-stdin"]
        subprocess.run(
            [*command, *(["--admin"] if admin else [])],
            input=password, text=True, check=True, capture_output=True, cwd=self.data_dir,
            env={**bare_environment(), "DATA_DIR": str(self.data_dir)},
        )  # fmt: skip
        return name, password

    def upload(self, data, name="picture.jpg", **columns):
        """Save a UserImage; returns its objectId."""
        headers = {**KEYS, "Content-Type": "image/jpeg"}
        status, file = self.server.request("POST", f"/parse/files/{name}", data, headers)
        assert status == 201, file
        image = {"__type": "File", "name": file["name"]}
        return self.parse("POST", "/classes/UserImage", {"image": image, **columns})["objectId"]

    def fill(self, count, first=0):
        """Upload pictures, and wait until all are in review: there is no policy that approves."""
        ids = [self.upload(picture(first + n)) for n in range(count)]
        self.wait_until_judged()
        return ids

    def have_free(self, count):
        """Fill up until so many wait in review, those not counted that any session still holds."""
        free = {"lane": "review", "claimSession": {"$exists": False}}
        missing = count - self.count("ModerationItem", free)
        if missing > 0:
            self.fill(missing, first=self.count("ModerationItem", {}))

    def wait_until_judged(self, timeout_s=60):
        deadline = time.monotonic() + timeout_s
        while self.count("ModerationItem", {"state": "pending"}):
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def count(self, class_name, where):
        where = json.dumps(where).replace(" ", "").replace('"', "%22")
        return self.parse("GET", f"/classes/{class_name}?where={where}&count=1&limit=0")["count"]

    def rows(self, class_name):
        return self.parse("GET", f"/classes/{class_name}?limit=1000&order=createdAt")["results"]

    def sign_in(self, page, name, password="correct horse"):
        answer = page.goto(f"{self.url}/admin/sign-in")
        assert answer.ok, answer.text()
        assert "/sign-in" in page.url, "signed in already"
        page.fill("input[name=name]", name)
        page.fill("input[name=password]", password)
        page.click("button[type=submit], form:not(.sign-out) button")
        page.wait_for_url(lambda url: "sign-in" not in url)


def sign_out(page):
    """Press the button, which phones have in a menu."""
    menu = page.locator("details.menu > summary")
    if menu.is_visible():
        menu.click()
    page.locator(".sign-out button:visible").click()


def screenshot(page, name):
    """Write docs/panel/<name>.png when PANEL_SCREENSHOTS is set to a folder."""
    import os

    folder = os.environ.get("PANEL_SCREENSHOTS")
    if folder:
        page.screenshot(path=f"{REPOSITORY / folder / name}.png")
