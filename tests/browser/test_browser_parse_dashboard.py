"""Parse Dashboard, unmodified, in front of the server: what an owner does with it works."""

import json
import re
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from panel_site import DESKTOP, PanelSite, picture
from playwright.sync_api import expect
from running_server import Server, free_port, wait_for_port

CLOUD_CODE = """
from cloud.code import cloud

@cloud.job("countImages")
def count_images(request):
    return f"counted by {request.params['input']['who']}"
"""
SCORES = {"Porn": {"min": 0.4, "max": 0.8}}
_NODE = Path(sys.executable).with_name("node")


@contextmanager
def running(command, port, folder):
    """Run a program and all that it starts until the block ends."""
    with (folder / "dashboard.log").open("w") as log:
        process = psutil.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        wait_for_port(port, process, timeout_s=40)
        yield
    finally:
        for one in [*process.children(recursive=True), process]:
            one.kill()
        process.wait()


@pytest.fixture(scope="module")
def owned(tmp_path_factory, models_dir):
    """A server with a job, an image, and a policy."""
    folder = tmp_path_factory.mktemp("owned")
    data_dir, code = folder / "data", folder / "main.py"
    data_dir.mkdir()
    code.write_text(CLOUD_CODE)
    server = Server(data_dir, models_dir, CONFIG_CACHE_MS=0, CLOUD_CODE_MAIN=code)
    try:
        site = PanelSite(server.wait_until_healthy(), data_dir)
        site.image = site.upload(picture(1), imageAuthor="alice")
        site.parse("PUT", "/config", {"params": {"moderationScores": SCORES}})
        yield site
    finally:
        server.stop()


@pytest.fixture(scope="module")
def dashboard(owned, parse_dashboard, tmp_path_factory):
    """The address of the dashboard's pages about the server."""
    port, folder = free_port(), tmp_path_factory.mktemp("dashboard")
    app = {
        "appId": "myAppId", "masterKey": "myMasterKey", "restKey": "myRestKey",
        "serverURL": f"{owned.url}/parse", "appName": "Parsewarden",
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps({"apps": [app]}))
    options = ["--host", "127.0.0.1", "--port", str(port), "--config", "config.json"]
    with running([_NODE, parse_dashboard, *options], port, folder):
        yield f"http://127.0.0.1:{port}/apps/Parsewarden"


@pytest.fixture
def page(chromium, dashboard):
    """A page that reaches this machine alone; no call to the server may fail."""
    context = chromium.new_context(viewport=DESKTOP, locale="en-GB")
    page, refused = context.new_page(), []
    page.set_default_timeout(20_000)
    expect.set_options(timeout=20_000)
    page.route(re.compile(r"^(?!http://127\.0\.0\.1:)"), lambda route: route.abort())
    page.on("response", lambda r: r.status >= 400 and refused.append(f"{r.status} {r.url}"))
    yield page
    context.close()
    assert not refused


def eventually(check, timeout_s=10):
    deadline = time.monotonic() + timeout_s
    while not (found := check()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def edit_cell(page, before, after):
    page.get_by_text(before, exact=True).dblclick()
    page.keyboard.press("Control+A")
    page.keyboard.type(after)
    page.keyboard.press("Enter")
    expect(page.get_by_text(after, exact=True)).to_be_visible()


def test_an_image_is_browsed_and_edited(page, dashboard, owned):
    page.goto(f"{dashboard}/browser/UserImage")
    expect(page.get_by_text(owned.image, exact=True)).to_be_visible()
    expect(page.get_by_text("1 object", exact=False).first).to_be_visible()
    edit_cell(page, "alice", "bob")
    path = f"/classes/UserImage/{owned.image}"
    eventually(lambda: owned.parse("GET", path)["imageAuthor"] == "bob")


def test_an_ordinary_class_is_browsed_and_edited(page, dashboard, owned):
    made = owned.parse("POST", "/classes/Post", {"title": "hello", "n": 1})
    page.goto(f"{dashboard}/browser/Post")
    edit_cell(page, "hello", "good bye")
    path = f"/classes/Post/{made['objectId']}"
    eventually(lambda: owned.parse("GET", path)["title"] == "good bye")


def test_a_class_is_made_and_gets_a_column(page, dashboard, owned):
    page.goto(f"{dashboard}/browser/UserImage")
    expect(page.get_by_text(owned.image, exact=True)).to_be_visible()  # now the page is ready
    page.get_by_text("Create a class").click()
    page.get_by_placeholder("Give it a good name").fill("Comment")
    page.get_by_role("button", name="Create & add columns").click()
    eventually(lambda: "Comment" in names_of_classes(owned))
    page.get_by_placeholder("Give it a good name").fill("text")
    page.get_by_role("button", name="Add", exact=True).click()
    text = {"type": "String"}
    eventually(lambda: owned.parse("GET", "/schemas/Comment")["fields"].get("text") == text)


def names_of_classes(site):
    return {schema["className"] for schema in site.parse("GET", "/schemas")["results"]}


def test_the_thresholds_of_moderation_are_edited(page, dashboard, owned):
    page.goto(f"{dashboard}/config")
    page.get_by_text("moderationScores").last.click()
    scores = {"Porn": {"min": 0.3, "max": 0.7}, "Hentai": {"min": 0.5, "max": 0.9}}
    page.locator("textarea").fill(json.dumps(scores))
    page.get_by_role("button", name="Save").click()
    eventually(lambda: owned.parse("GET", "/config")["params"]["moderationScores"] == scores)


def test_an_image_is_classified_from_the_console(page, dashboard, owned):
    image = owned.parse("GET", f"/classes/UserImage/{owned.image}")["image"]
    page.goto(f"{dashboard}/api_console/rest")
    page.get_by_text("GET", exact=True).click()
    page.get_by_text("POST", exact=True).click()
    page.get_by_placeholder("classes/_User").fill("functions/nsfwImageClassify")
    page.locator("textarea").fill(json.dumps({"image": image}))
    page.get_by_text("Send Query").click()
    expect(page.get_by_text('"Neutral"').first).to_be_visible()
    expect(page.get_by_text('"probability"')).to_have_count(5)


def test_a_job_is_started_and_its_end_is_seen(page, dashboard, owned):
    page.goto(f"{dashboard}/jobs/all")
    page.get_by_text("Run...").click()
    page.locator("textarea").fill('{"who": "bob"}')
    page.get_by_role("button", name="Run", exact=True).click()
    eventually(lambda: owned.parse("GET", "/classes/_JobStatus")["results"])
    page.goto(f"{dashboard}/jobs/status")
    expect(page.get_by_text("counted by bob")).to_be_visible()
