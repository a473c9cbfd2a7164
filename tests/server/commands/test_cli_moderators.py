"""The command `create-moderator`, and the moderator that a fresh installation gets."""

import os
import pty
import re
import subprocess
import sys
from contextlib import closing

import pytest
from running_server import bare_environment

from admin.people import Device, Role
from admin.ports.sign_ins import SignInError, Wrong
from config import load_settings
from server.objects.accounts import make_accounts
from server.objects.lockout import address_key
from server.objects.schemas import Schemas
from server.objects.service import ParseObjects
from server.objects.triggers import Triggers
from server.panel.people import join_people
from server.panel.tables import TEAM_LOG, PanelTables
from server.panel.wiring import panel_secret
from server.storage.mongo.database import MongoDatabase
from server.storage.port import Query
from server.storage.sqlite.database import SqliteDatabase

PASSWORD = "correct horse"  # noqa: S105
NEW = "another horse"
DEMO = re.compile(r"This is said once:\n {2}(\S+) {2}(\S+)\n")


class Installation:
    """A database without a server, commands run on it, and a look at what they did."""

    def __init__(self, folder, uri=""):
        self.folder, self.uri = folder, uri
        self.database = MongoDatabase(uri) if uri else SqliteDatabase(folder)
        settings = load_settings(_env_file=None, data_dir=folder, database_uri=uri)
        schemas = Schemas(self.database.schemas, clients_make_classes=False)
        secret = panel_secret(settings)
        parse = ParseObjects(
            self.database, schemas, Triggers(lambda *_: None),
            session_length_s=100,
            accounts=make_accounts(settings, self.database.objects, schemas, secret),
        )  # fmt: skip
        self.tables = PanelTables(self.database, schemas, parse)
        self.people = join_people(settings, self.tables, secret)

    def run(self, *arguments, input=""):
        environment = {"DATA_DIR": str(self.folder), "DATABASE_URI": self.uri}
        return subprocess.run(
            [sys.executable, "-m", "server", "create-moderator", *arguments],
            input=input, env=bare_environment() | environment, cwd=self.folder,
            capture_output=True, text=True, check=False, start_new_session=True,
        )  # fmt: skip

    def sign_in(self, name, password=PASSWORD):
        token = self.people.sign_ins.sign_in(name, password, Device())
        return self.people.accounts.session(token)

    def log(self):
        rows = self.database.objects.find(TEAM_LOG, Query())
        return [(row["action"], row["name"], row["by"]) for row in rows]


@pytest.fixture
def installation(tmp_path):
    made = Installation(tmp_path)
    with closing(made.database):
        yield made


def typed_into_a_terminal(installation, name, lines):
    """Run the command in a terminal of its own, and type when it asks; returns what it shows."""
    terminal, its_end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "server", "create-moderator", name],
        env=bare_environment() | {"DATA_DIR": str(installation.folder)}, cwd=installation.folder,
        stdin=its_end, stdout=its_end, stderr=its_end, start_new_session=True,
    )  # fmt: skip
    os.close(its_end)
    shown, waiting = b"", list(lines)
    while True:
        try:
            shown += os.read(terminal, 1000)
        except OSError:  # the other end is closed
            break
        if waiting and shown.endswith(b": ") and shown.count(b": ") > len(lines) - len(waiting):
            os.write(terminal, waiting.pop(0).encode() + b"\n")
    os.close(terminal)
    assert process.wait(timeout=20) == 0, shown
    return shown.decode()


def test_a_moderator_is_made_and_an_admin_when_asked_for(tmp_path, database_uri):
    installation = Installation(tmp_path, database_uri)
    with closing(installation.database):
        made = installation.run("bob", "--password-stdin", input=PASSWORD)
        assert (made.returncode, made.stdout) == (0, "bob may sign in at /admin\n")
        made = installation.run("alice", "--admin", "--password-stdin", input=PASSWORD + "\n")
        assert made.stdout == "alice may sign in at /admin as an admin\n"
        assert installation.sign_in("bob").moderator.role is Role.MODERATOR
        assert installation.sign_in("alice").moderator.role is Role.ADMIN
        assert PASSWORD not in made.stdout + made.stderr
        assert installation.log() == [
            ("created", "bob", "operator"),
            ("created", "alice", "operator"),
        ]


def test_who_is_there_already_is_promoted_and_keeps_the_password(installation):
    installation.run("bob", "--password-stdin", input=PASSWORD)
    made = installation.run("bob", "--admin")
    assert made.stdout == (
        "bob, who was there already, may sign in at /admin as admin; the password stays\n"
    )
    assert installation.sign_in("bob").moderator.role is Role.ADMIN
    installation.run("bob", "--password-stdin", input=NEW)  # takes no role away
    assert installation.sign_in("bob").moderator.role is Role.ADMIN
    assert [action for action, _, _ in installation.log()] == ["created", "promoted"]


def test_the_operator_helps_who_is_locked_out(installation):
    installation.run("bob", "--password-stdin", input=PASSWORD)
    session = installation.sign_in("bob")
    for _ in range(8):
        with pytest.raises(SignInError):
            installation.sign_in("bob", "wrong")
    resets = ["--reset-password", "--reset-second-factor"]
    made = installation.run("bob", "--password-stdin", *resets, input=NEW)
    assert "with the new password" in made.stdout
    assert installation.people.accounts.sessions_of(session.moderator.user_id) == []
    installation.people.sign_ins._lockout.forget(address_key(""))
    assert not installation.sign_in("bob", NEW).needs_new_password
    with pytest.raises(Wrong):
        installation.sign_in("bob")


@pytest.mark.parametrize(
    ("arguments", "input", "sentence"),
    [
        (["bob", "--password-stdin"], "nine char", "at least 10 characters"),
        (["bob", "--password-stdin"], "", "at least 10 characters"),
        (["bob", "--password-stdin"], "password123", "among the first"),
        (["b\tb", "--password-stdin"], PASSWORD, "can be nobody's name"),
    ],
)
def test_what_does_not_do_is_refused_with_a_sentence(installation, arguments, input, sentence):
    made = installation.run(*arguments, input=input)
    assert made.returncode == 1
    assert sentence in made.stderr
    assert "Traceback" not in made.stderr
    assert installation.log() == []


def test_the_password_is_asked_for_twice(installation):
    for typed, sentence in [
        ([PASSWORD, PASSWORD], "bob may sign in at /admin"),
        ([PASSWORD, NEW, PASSWORD, PASSWORD], "The two entered values do not match"),
    ]:
        name = "bob" if len(typed) == 2 else "carl"
        shown = typed_into_a_terminal(installation, name, typed)
        assert sentence in shown
        assert PASSWORD not in shown
        assert installation.sign_in(name)


def test_without_a_data_folder_it_says_where_to_run(tmp_path):
    environment = {"DATA_DIR": str(tmp_path / "nowhere")}
    made = subprocess.run(
        [sys.executable, "-m", "server", "create-moderator", "bob"],
        env=bare_environment() | environment, cwd=tmp_path,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 1
    assert "there is no DATA_DIR" in made.stderr


# --- the moderator of a fresh installation --------------------------------------------------------


def demo_of(server):
    return DEMO.findall(server.log.read_text())


def test_a_fresh_installation_says_once_how_to_sign_in(start_server, tmp_path):
    server = start_server(WEB_WORKERS=2, CLASSIFY_PERMITS=2).wait_until_healthy()
    ((name, password),) = demo_of(server)
    installation = Installation(tmp_path / "data")
    with closing(installation.database):
        assert installation.sign_in(name, password).moderator.is_admin
        log = server.log.read_text()
        assert re.search(rf"DATA_DIR={tmp_path}/data \S+ {sys.executable} -m server demo\n", log)
        assert f": DATA_DIR={tmp_path}/data {sys.executable} -m server create-moderator" in log
        server.stop()
        again = start_server().wait_until_healthy()
        assert demo_of(again) == [(name, password)]  # of the first start, in the same log
        assert len(installation.people.team.members()) == 1
    assert f"http://localhost:{server.port}/admin" in server.log.read_text()


def test_who_has_moderators_gets_none(start_server, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    installation = Installation(folder)
    with closing(installation.database):
        installation.run("bob", "--password-stdin", input=PASSWORD)
        server = start_server().wait_until_healthy()
    assert demo_of(server) == []
    assert "nobody may use the panel" not in server.log.read_text()


def test_who_has_own_keys_gets_none_but_learns_how_an_admin_is_made(start_server):
    server = start_server(APP_ID="mine", MASTER_KEY="secret").wait_until_healthy()
    assert demo_of(server) == []
    said = r"nobody may use the panel yet; .* -m server create-moderator NAME --admin\n"
    assert re.search(said, server.log.read_text())


def test_a_user_who_is_called_demo_is_not_made_a_moderator(start_server, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    installation = Installation(folder)
    with closing(installation.database):
        installation.people.team._new_user("demo", PASSWORD)
        ((name, _),) = demo_of(start_server().wait_until_healthy())
        assert name == "demo-moderator"
        assert [m.name for m in installation.people.team.members()] == [name]
