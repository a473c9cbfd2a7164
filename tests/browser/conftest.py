"""Chromium, as Debian packages it, in front of a running server.

Its headless shell, where it is installed, runs the same engine on half of the processor's time.
"""

import json
import os
import shutil
from pathlib import Path

import pytest
from node_packages import installed
from panel_site import DESKTOP, PHONE, PanelSite
from playwright.sync_api import sync_playwright
from running_server import Server

_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser")
_CHROMIUM = next(filter(None, map(shutil.which, _NAMES)), None)
_FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    reason = "no chromium on this machine: apt-get install chromium-headless-shell"
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.slow)
            if _CHROMIUM is None and not os.environ.get("TEST_NEEDS_CHROMIUM"):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def locale():
    """What the browser asks for; tests may name another by parametrizing it."""
    return "en-GB"


@pytest.fixture(params=["phone", "desktop"])
def page(request, chromium, locale):
    """A fresh profile's page, on a phone with touch and on a desktop. Fails on script errors."""
    is_phone = request.param == "phone"
    context = chromium.new_context(
        viewport=PHONE if is_phone else DESKTOP,
        has_touch=is_phone,
        is_mobile=is_phone,
        device_scale_factor=2 if is_phone else 1,
        locale=locale,
    )
    page, errors = context.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: message.type == "error" and errors.append(message.text))
    page.script_errors = errors
    page.is_phone = is_phone
    yield page
    context.close()
    assert not [e for e in errors if "Failed to load resource" not in e], errors


@pytest.fixture(scope="module")
def site(tmp_path_factory, models_dir):
    """A server of the test file's own, with `alice` the admin and `bob` the moderator."""
    data_dir = tmp_path_factory.mktemp("panel") / "data"
    data_dir.mkdir()
    server = Server(data_dir, models_dir, CONFIG_CACHE_MS=0)
    server.wait_until_healthy()
    site = PanelSite(server, data_dir)
    site.moderator("alice", admin=True)
    site.moderator("bob")
    yield site
    server.stop()


@pytest.fixture(scope="session")
def axe_script():
    """axe-core, from npm, as package-lock.json pins it."""
    return (installed(_HERE, "axe") / "axe-core" / "axe.min.js").read_text()


@pytest.fixture(scope="session")
def parse_dashboard():
    """The program of Parse Dashboard, from npm."""
    modules = installed(_HERE / "parse_dashboard", "parse-dashboard")
    return modules / "parse-dashboard" / "bin" / "parse-dashboard"


@pytest.fixture
def accessible(axe_script):
    """Assert that axe-core finds nothing on a page: `accessible(page)`."""

    def check(page):
        page.evaluate(axe_script)  # the protocol's own evaluation, which no CSP stops
        tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
        found = page.evaluate(
            "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})", tags
        )
        problems = [
            f"{v['id']}: {v['help']}: {[n['html'][:200] for n in v['nodes']]}"
            for v in found["violations"]
        ]
        assert not problems, json.dumps(problems, indent=1)
        width = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert width <= 0, f"the page is {width} px wider than the screen"

    return check
