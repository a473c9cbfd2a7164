"""What holds for the house as a whole: imports, settings, compose and Dockerfile, the README."""

import ast
import itertools
import json
import random
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from dotenv import dotenv_values
from PIL import Image

from config import DEVELOPMENT_KEYS, Settings, SettingsError, load_settings

REPOSITORY = Path(__file__).resolve().parents[1]
ROOMS = ["ml_models", "cloud", "admin", "server"]  # each may import those before it


def imported_modules(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("room", ROOMS)
def test_imports_run_one_way(room):
    later = ROOMS[ROOMS.index(room) + 1 :]
    outsiders = {
        "ml_models": ["flask", "pymongo", "requests", "config"],
        "cloud": ["flask", "pymongo"],
        "admin": ["pymongo", "config"],
    }
    forbidden = {*later, *outsiders.get(room, [])}
    for path in (REPOSITORY / room).rglob("*.py"):
        tops = {module.partition(".")[0] for module in imported_modules(path)}
        assert not tops & forbidden, path


def test_only_the_conversion_imports_tensorflow():
    for path in [p for room in ROOMS for p in (REPOSITORY / room).rglob("*.py")]:
        tops = {module.partition(".")[0] for module in imported_modules(path)}
        assert path.name == "convert.py" or not tops & {"tensorflow", "keras"}, path


SETTINGS = {name.upper() for name in Settings.model_fields}


def test_every_setting_stands_in_env_example_with_its_default():
    example = dotenv_values(REPOSITORY / ".env.example")
    assert set(example) == SETTINGS
    given = {name.lower(): value for name, value in example.items() if value}
    assert load_settings(_env_file=None, **given) == load_settings(_env_file=None)


def test_every_setting_has_a_row_in_the_docs():
    table = (REPOSITORY / "docs" / "settings.md").read_text()
    assert set(re.findall(r"^\| `([A-Z_]+)` ", table, re.MULTILINE)) == SETTINGS


def test_every_setting_has_a_sentence_above_it_in_env_example():
    lines = (REPOSITORY / ".env.example").read_text().splitlines()
    for previous, line in itertools.pairwise(lines):
        if "=" in line and not line.startswith("#"):
            assert previous.startswith("# "), line


def test_env_of_the_node_original_is_understood(tmp_path):
    env = tmp_path / ".env"
    env.write_text(
        "APP_ID=a\nJS_KEY=b\nREST_API_KEY=c\nMASTER_KEY=d\nCLIENT_KEY=\n"
        "SERVER_URL=http://localhost:1337/1\nPARSE_MOUNT=/1\nPORT=1338\n"
        "MONGODB_URI=mongodb://localhost:27017/dev\nCLOUD_CODE_MAIN=/app/cloud/main.js\n"
        "TF_MODEL_URL=InceptionV3\nTF_MODEL_INPUT_SHAPE_SIZE=299\nCONFIG_CACHE_MS=10000\n"
        "LOCAL_FILES_URL=http://localhost/\nPRODUCTION_FILES_URL=https://files.example/\n"
    )
    settings = load_settings(_env_file=env)
    assert (settings.app_id, settings.js_key, settings.client_key) == ("a", "b", "")
    assert settings.database_uri == "mongodb://localhost:27017/dev"
    assert (settings.parse_mount, settings.port, settings.config_cache_ms) == ("/1", 1338, 10000)
    assert (settings.tf_model_url, settings.tf_model_input_shape_size) == ("InceptionV3", 299)


def test_keys_are_not_shown_with_the_settings():
    shown = repr(load_settings(_env_file=None, database_uri="mongodb://u:secret@h/d"))
    assert "secret" not in shown
    assert not any(key in shown for name, key in DEVELOPMENT_KEYS.items() if name != "app_id")


COMPOSE = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()
MAKEFILE = (REPOSITORY / "Makefile").read_text()


def test_compose_waits_for_a_healthy_database():
    web, mongo = COMPOSE["services"]["web"], COMPOSE["services"]["mongo"]
    assert web["depends_on"]["mongo"]["condition"] == "service_healthy"
    assert web["healthcheck"]["test"]
    assert "rs.initiate" in mongo["healthcheck"]["test"][-1]
    assert "--replSet" in mongo["command"]
    assert "mongo:/data/db" in mongo["volumes"]
    assert set(COMPOSE["volumes"]) == {"data", "mongo"}


def test_compose_names_only_settings_that_exist():
    web, worker = COMPOSE["services"]["web"], COMPOSE["services"]["worker"]
    text = (REPOSITORY / "docker-compose.yml").read_text()
    named = {*web["environment"], *worker["environment"], *web["build"]["args"]}
    assert named | set(re.findall(r"\$\{([A-Z_]+)", text)) <= SETTINGS
    port = Settings.model_fields["port"].default
    assert web["ports"] == [f"${{PORT:-{port}}}:{port}"]
    assert web["environment"]["PORT"] == str(port)
    assert f"EXPOSE {port}" in DOCKERFILE


@pytest.mark.parametrize("service", ["web", "worker"])
def test_compose_gives_settings_that_load(service):
    environment = COMPOSE["services"][service]["environment"]
    values = {
        name.lower(): re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", value)
        for name, value in environment.items()
    }
    values |= {"app_id": "mine", "master_key": "secret"}
    settings = load_settings(_env_file=None, **{k: v for k, v in values.items() if v})
    assert settings.bind_host == "0.0.0.0"  # noqa: S104 - inside the container
    broker = {"web": "", "worker": "redis://redis:6379/0"}
    assert settings.celery_broker_url == broker[service]
    assert settings.database_uri.startswith("mongodb://mongo:27017/")
    assert environment["DATABASE_URI"].startswith("${DATABASE_URI:-")
    assert "${APP_ID:?" in environment["APP_ID"]
    assert "${MASTER_KEY:?" in environment["MASTER_KEY"]


def test_container_runs_the_model_that_was_built_into_it():
    web = COMPOSE["services"]["web"]
    for name, value in web["build"]["args"].items():
        assert web["environment"][name] == value
        assert DOCKERFILE.count(f"ARG {name}=") == 2
        assert f"{name}=${name}" in DOCKERFILE


def test_compose_starts_workers_and_their_broker_only_when_asked_to_scale():
    services = COMPOSE["services"]
    assert {n for n, s in services.items() if s.get("profiles") == ["scale"]} == {"worker", "redis"}
    web, worker = services["web"], services["worker"]
    assert worker["build"] == web["build"]
    assert worker["depends_on"]["redis"]["condition"] == "service_healthy"
    *command, option, heartbeat = worker["command"]
    assert command == ["python", "-m", "server", "worker"]
    assert worker["healthcheck"]["test"][-2:] == [option, heartbeat]


def test_compose_starts_parse_dashboard_only_when_asked_to_and_for_this_machine():
    services = COMPOSE["services"]
    assert [n for n, s in services.items() if s.get("profiles") == ["dashboard"]] == ["dashboard"]
    dashboard = services["dashboard"]
    assert dashboard["ports"] == ["127.0.0.1:4040:4040"]
    environment = dashboard["environment"]
    assert environment["PARSE_DASHBOARD_USER_PASSWORD"].startswith("${MASTER_KEY:?")
    context = REPOSITORY / dashboard["build"]["context"]
    pinned = json.loads((context / "package-lock.json").read_text())["packages"]
    asked = json.loads((context / "package.json").read_text())["dependencies"]
    assert pinned["node_modules/parse-dashboard"]["version"] == asked["parse-dashboard"]


@pytest.mark.parametrize("service", ["web", "worker", "redis", "dashboard"])
def test_compose_runs_without_privileges(service):
    described = COMPOSE["services"][service]
    assert described["read_only"] is True
    assert described["cap_drop"] == ["ALL"]
    users = {"redis": "redis", "dashboard": "node"}  # the others' is the Dockerfile's
    assert described.get("user") == users.get(service)
    assert "\nUSER parsewarden\n" in DOCKERFILE


def test_dockerfile_copies_only_what_exists_and_is_sent():
    sent = (REPOSITORY / ".dockerignore").read_text().split()
    for source in re.findall(r"^COPY ((?!--from)\S+) ", DOCKERFILE, re.MULTILINE):
        assert (REPOSITORY / source).exists(), source
        assert f"!{source.split('/')[0]}" in sent, source


def test_dockerfile_does_what_make_does():
    for command in ["python -m server models fetch", "pip install", "-r requirements.txt"]:
        assert command in DOCKERFILE.replace("--no-cache-dir ", "")
        assert command in MAKEFILE.replace("$(BIN)/", "").replace("--quiet ", "")
    assert '"python", "-m", "server", "run"' in DOCKERFILE
    assert "python -m server run" in MAKEFILE


def test_image_that_runs_holds_no_tensorflow():
    runtime_stage = DOCKERFILE.rpartition("FROM ")[2]
    assert "requirements/runtime.txt" in runtime_stage
    assert "requirements.txt" not in runtime_stage
    assert "tensorflow" not in (REPOSITORY / "requirements" / "runtime.txt").read_text()


def test_ci_runs_the_test_command_of_the_readme():
    assert "    make test\n" in (REPOSITORY / "README.md").read_text()
    assert "make test\n" in (REPOSITORY / ".ci" / "run").read_text()


@pytest.mark.parametrize("path", ["README.md", "docs/performance.md"])
def test_docs_hold_no_placeholder(path):
    assert not re.search(r"^[A-Z_]{6,}$", (REPOSITORY / path).read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", sorted((REPOSITORY / "docs").glob("*.md")), ids=lambda p: p.name)
def test_pictures_and_pages_that_docs_name_are_there(path):
    named = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text())
    assert [name for name in named if not (path.parent / name).exists()] == []


@pytest.mark.parametrize("page", ["apps", "databases", "live-query", "operations", "scaling"])
def test_settings_that_pages_name_are_there(page):
    text = (REPOSITORY / "docs" / f"{page}.md").read_text()
    named = set(re.findall(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=[^`]*)?`", text))
    others = {name for name in named if name.startswith(("TEST_", "OTEL_", "COMPOSE_"))}
    assert named - others <= {name.upper() for name in Settings.model_fields}


def test_the_proxy_of_the_docs_lets_the_largest_image_through():
    bound = re.search(
        r"client_max_body_size (\d+)m;", (REPOSITORY / "docs/operations.md").read_text()
    )
    assert int(bound[1]) * 2**20 >= Settings.model_fields["max_image_bytes"].default * 4 / 3


@pytest.mark.parametrize("path", ["SECURITY.md", "docs/security.md"])
def test_what_is_said_to_prove_or_keep_a_promise_is_there(path):
    """A file without a folder lies in that of the one before, or in none."""
    folder = ""
    for name in re.findall(r"`([\w/.-]+(?:\.py|/))`", (REPOSITORY / path).read_text()):
        folder = name.rpartition("/")[0] if "/" in name else folder
        file = name.rpartition("/")[2]
        assert (REPOSITORY / folder / file).exists() or (REPOSITORY / file).exists(), name


def readme_calls():
    """Each curl command of the README with the answer that stands below it."""
    text = (REPOSITORY / "README.md").read_text()
    pattern = r"((?:^    .*\n)+)\n<!-- answer -->\n((?:^    .*\n)+)"
    return [(command, answer) for command, answer in re.findall(pattern, text, re.MULTILINE)]


def assert_nearly_equal(given, expected):
    """Equal, but for the last digits of probabilities, which differ between processors."""
    if isinstance(expected, dict):
        assert given.keys() == expected.keys()
        for key, value in expected.items():
            assert_nearly_equal(given[key], value)
    elif isinstance(expected, list):
        assert len(given) == len(expected)
        for mine, theirs in zip(given, expected, strict=True):
            assert_nearly_equal(mine, theirs)
    elif isinstance(expected, float):
        assert given == pytest.approx(expected, abs=0.001)
    else:
        assert given == expected


def test_readme_lines_give_the_answers_it_shows(start_server):
    server = start_server().wait_until_healthy()
    calls = readme_calls()
    assert len(calls) == 4
    for command, answer in calls:
        pasted = command.replace("localhost:1337", f"localhost:{server.port}")
        result = subprocess.run(
            ["bash", "-c", pasted], cwd=REPOSITORY, capture_output=True, text=True, check=True
        )
        assert_nearly_equal(json.loads(result.stdout), json.loads(answer))


def test_readme_line_with_base64_takes_large_photos_of_ones_own(start_server, tmp_path):
    """A command's argument has at most 128 KB on Linux, which a phone's photo exceeds."""
    photo = tmp_path / "photo.jpg"
    Image.frombytes("RGB", (900, 700), random.Random(1).randbytes(900 * 700 * 3)).save(photo)
    assert photo.stat().st_size > 2 * 128 * 1024
    (command,) = [command for command, _ in readme_calls() if "base64" in command]
    pasted = command.replace(
        "localhost:1337", f"localhost:{start_server().wait_until_healthy().port}"
    )
    pasted = pasted.replace("docs/astronaut.jpg", str(photo))
    result = subprocess.run(["bash", "-c", pasted], capture_output=True, text=True, check=True)
    assert len(json.loads(result.stdout)["result"]) == 5


def test_read_only_key_that_is_the_master_key_is_refused():
    with pytest.raises(SettingsError, match="READ_ONLY_MASTER_KEY"):
        load_settings(_env_file=None, app_id="a", master_key="m", read_only_master_key="m")


@pytest.mark.parametrize("path", sorted((REPOSITORY / "requirements").glob("*.txt")), ids=str)
def test_every_requirement_is_pinned_with_its_hashes(path):
    pinned = re.split(r"\n(?=\S)", path.read_text().strip())
    pinned = [one for one in pinned if not one.startswith("#")]
    assert pinned
    for one in pinned:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==\S+", one), one
        assert "--hash=sha256:" in one, one
