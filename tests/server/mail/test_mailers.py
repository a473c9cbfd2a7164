"""Mails on their way: through an SMTP server, into a folder; never lost without a word."""

import email
import email.policy
import logging
import shutil
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest
from running_server import free_port
from smtp_host import SmtpHost

from cloud.moderation.errors import StoreUnavailable
from config import SettingsError, load_settings
from server.mail.folder import FolderMailer
from server.mail.port import Mail, MailNotSent
from server.mail.queue import MailQueue, MailQueueFull
from server.mail.smtp import SmtpMailer, SmtpServer
from server.mail.wiring import make_mail_queue

# aiosmtpd says so of what the tests want.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")

SENDER = "My App <hello@example.com>"
MAIL = Mail("alice@example.org", "Grüße", "Click here:\nhttp://localhost/secret-token\n")


@pytest.fixture
def start_smtp():
    hosts = []

    def start(**options):
        hosts.append(SmtpHost(free_port(), **options))
        return hosts[-1]

    yield start
    for host in hosts:
        host.stop()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of localhost that nobody has signed, with its key."""
    if shutil.which("openssl") is None:
        pytest.skip("the openssl program is missing; it makes the certificate for this test")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost", "-keyout", path, "-out", f"{path}.cert"],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_text(path.read_text() + path.with_name("both.pem.cert").read_text())
    return path


@pytest.fixture
def server_tls(certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


def mailer_to(port, security="none", username="", password="", timeout_s=2.0):
    server = SmtpServer("localhost", port, security, username, password, timeout_s)
    return SmtpMailer(server, SENDER)


def read(data):
    return email.message_from_bytes(data, policy=email.policy.default)


def test_a_mail_goes_through_an_smtp_server(start_smtp):
    host = start_smtp()
    assert mailer_to(host.port).send(MAIL) == f"localhost:{host.port}"
    (envelope,) = host.received
    assert (envelope.mail_from, envelope.rcpt_tos) == ("hello@example.com", ["alice@example.org"])
    message = read(envelope.content)
    assert (message["From"], message["To"]) == (SENDER, "alice@example.org")
    assert message["Subject"] == "Grüße"
    assert message["Message-ID"].endswith("@example.com>")
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"]
    assert message.get_content().replace("\r\n", "\n") == MAIL.text


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_the_connection_is_encrypted_and_the_certificate_must_be_good(
    start_smtp, server_tls, certificate, monkeypatch, security
):
    host = start_smtp(**{security: server_tls}, password="secret")
    with pytest.raises(MailNotSent, match="CERTIFICATE_VERIFY_FAILED"):
        mailer_to(host.port, security, "app", "secret").send(MAIL)
    assert host.logins == host.received == []
    monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.cert")
    mailer_to(host.port, security, "app", "secret").send(MAIL)
    assert host.logins == ["app"]
    assert len(host.received) == 1


def test_without_starttls_nothing_is_said(start_smtp):
    host = start_smtp(password="secret")
    with pytest.raises(MailNotSent, match="STARTTLS") as refused:
        mailer_to(host.port, "starttls", "app", "secret").send(MAIL)
    assert refused.value.is_final
    assert host.logins == []


def test_a_wrong_password_is_final_and_not_told(start_smtp):
    host = start_smtp(password="secret")
    with pytest.raises(MailNotSent) as refused:
        mailer_to(host.port, "none", "app", "wrong-password").send(MAIL)
    assert refused.value.is_final
    assert "wrong-password" not in str(refused.value)


@pytest.mark.parametrize(
    ("reply", "is_final"), [("451 4.3.0 try later", False), ("554 5.7.1 alice is unknown", True)]
)
def test_what_the_server_refuses_is_final_with_5xx_alone(start_smtp, reply, is_final):
    host = start_smtp()
    host.replies.append(reply)
    with pytest.raises(MailNotSent) as refused:
        mailer_to(host.port).send(MAIL)
    assert refused.value.is_final is is_final
    assert "alice" not in str(refused.value)


def test_a_server_that_is_away_or_silent_is_not_waited_for_long():
    with pytest.raises(MailNotSent) as away:
        mailer_to(free_port()).send(MAIL)
    assert not away.value.is_final
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        started = time.monotonic()
        with pytest.raises(MailNotSent) as slow:
            mailer_to(silent.getsockname()[1], timeout_s=0.3).send(MAIL)
        assert time.monotonic() - started < 2
        assert not slow.value.is_final


NO_ADDRESSES = [
    "", "alice", "alice@", "@example.org", "a@x.org, b@y.org", "a@x.org\nBcc: b@y.org",
    "Alice <alice@example.org>", "alice@example.org (hi)", "a b@example.org", "ä@example.org",
    "alice@exämple.org", "a@b@c",
]  # fmt: skip


@pytest.mark.parametrize("address", NO_ADDRESSES)
def test_a_mail_goes_to_exactly_one_address_or_nowhere(tmp_path, address):
    for mailer in (FolderMailer(tmp_path / "mails", SENDER), mailer_to(1)):
        with pytest.raises(MailNotSent) as refused:
            mailer.send(Mail(address, "Hi", "text"))
        assert refused.value.is_final
    assert not (tmp_path / "mails").exists()


def test_while_developing_mails_are_files_of_their_owners_alone(tmp_path):
    folder = tmp_path / "mails"
    path = FolderMailer(folder, SENDER).send(MAIL)
    (written,) = folder.iterdir()
    assert (str(written), written.suffix) == (path, ".eml")
    assert written.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    message = read(written.read_bytes())
    assert message["To"] == MAIL.to
    assert message.get_content() == MAIL.text
    assert "\nhttp://localhost/secret-token" in written.read_text(), "whole, to be copied"


def test_long_links_stand_whole_in_the_file(tmp_path):
    link = "https://app.example/reset?token=" + "x=" * 60
    path = FolderMailer(tmp_path / "mails", SENDER).send(
        Mail("a@b.example", "Hi", f"Go:\n{link}\n")
    )
    assert link in Path(path).read_text()


def test_a_folder_that_cannot_be_written_to_is_not_the_end(tmp_path):
    (tmp_path / "mails").write_text("a file")
    with pytest.raises(MailNotSent) as refused:
        FolderMailer(tmp_path / "mails", SENDER).send(MAIL)
    assert not refused.value.is_final


# --- the queue ---------------------------------------------------------------------------------


class ScriptedMailer:
    """Fails as often as it is told to, then takes."""

    def __init__(self, *problems):
        self.problems, self.sent = list(problems), []
        self.go_on = threading.Event()
        self.go_on.set()

    def send(self, mail):
        self.go_on.wait(5)
        if self.problems:
            raise self.problems.pop(0)
        self.sent.append(mail)
        return "nowhere"


def until(condition, seconds=5):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def make_queue_of(caplog):
    caplog.set_level(logging.INFO)
    made = []

    def make(mailer, waits_s=(0.01, 0.02)):
        made.append(MailQueue(mailer, waits_s=waits_s))
        return made[-1]

    yield make
    for queue in made:
        queue.close()


def test_whoever_posts_does_not_wait_for_the_mail(make_queue_of, caplog):
    mailer = ScriptedMailer()
    mailer.go_on.clear()
    queue = make_queue_of(mailer)
    queue.post("greeting", lambda: MAIL)
    assert mailer.sent == []
    mailer.go_on.set()
    until(lambda: mailer.sent == [MAIL])
    until(lambda: "a mail (greeting) went to nowhere" in caplog.messages)
    assert not any("alice" in line or "secret-token" in line for line in caplog.messages)


def test_a_passing_fault_is_tried_again_a_lasting_one_given_up_aloud(make_queue_of, caplog):
    passing, away = MailNotSent("busy", is_final=False), StoreUnavailable("away")
    mailer = ScriptedMailer(passing, away)
    make_queue_of(mailer).post("greeting", lambda: MAIL)
    until(lambda: mailer.sent == [MAIL])
    lasting = ScriptedMailer(*[MailNotSent("busy", is_final=False)] * 3)
    make_queue_of(lasting).post("second", lambda: MAIL)
    until(lambda: "a mail (second) is given up: busy" in caplog.messages)
    final = ScriptedMailer(MailNotSent("no such user", is_final=True))
    make_queue_of(final).post("third", lambda: MAIL)
    until(lambda: "a mail (third) is given up: no such user" in caplog.messages)
    assert lasting.sent == final.sent == []


def test_a_bug_in_one_mail_does_not_hold_up_the_next(make_queue_of, caplog):
    mailer = ScriptedMailer()
    queue = make_queue_of(mailer)
    queue.post("broken", lambda: 1 // 0)
    queue.post("none", lambda: None)
    queue.post("greeting", lambda: MAIL)
    until(lambda: mailer.sent == [MAIL])
    assert "a mail (broken) could not be made" in caplog.messages


def test_what_is_composed_once_is_not_composed_again(make_queue_of):
    mailer, made = ScriptedMailer(MailNotSent("busy", is_final=False)), []

    def compose():
        made.append(1)
        return MAIL

    make_queue_of(mailer).post("greeting", compose)
    until(lambda: mailer.sent == [MAIL])
    assert made == [1]


def test_a_queue_that_closes_sends_what_waits_and_takes_no_more(make_queue_of, caplog):
    mailer = ScriptedMailer()
    queue = make_queue_of(mailer)
    for _ in range(5):
        queue.post("greeting", lambda: MAIL)
    queue.close()
    assert mailer.sent == [MAIL] * 5
    with pytest.raises(MailQueueFull):
        queue.post("late", lambda: MAIL)


def test_what_was_to_be_tried_again_when_it_closes_is_told(make_queue_of, caplog):
    mailer = ScriptedMailer(MailNotSent("busy", is_final=False))
    queue = make_queue_of(mailer, waits_s=(60.0,))
    queue.post("greeting", lambda: MAIL)
    until(lambda: any("tried again in 60 s" in line for line in caplog.messages))
    queue.close()
    assert "1 mails that were to be tried again are given up" in caplog.messages


def test_more_than_a_thousand_waiting_mails_are_refused(make_queue_of):
    mailer = ScriptedMailer()
    mailer.go_on.clear()
    queue = make_queue_of(mailer)
    for _ in range(1_000):
        queue.post("greeting", lambda: MAIL)
    until(lambda: queue._waiting.qsize() == 999)  # one is being sent
    queue.post("greeting", lambda: MAIL)
    with pytest.raises(MailQueueFull):
        queue.post("greeting", lambda: MAIL)
    mailer.go_on.set()


# --- which mailer -------------------------------------------------------------------------------

OWN_KEYS = {"app_id": "a", "master_key": "b"}
OPEN = {**OWN_KEYS, "bind_host": "192.0.2.1"}


def test_the_settings_say_where_mails_go(tmp_path):
    def queue(**settings):
        return make_mail_queue(load_settings(_env_file=None, data_dir=tmp_path, **settings))

    assert isinstance(queue()._mailer, FolderMailer)
    through = queue(smtp_host="mail.example.com", mail_from=SENDER, **OPEN)
    assert isinstance(through._mailer, SmtpMailer)
    assert queue(**OPEN) is None
    assert queue(trusted_proxies=1, **OWN_KEYS) is None


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"smtp_host": "mail.example.com"}, "MAIL_FROM is not set"),
        ({"mail_from": "hello"}, "must be an address"),
        ({"mail_from": "a@b\r\nBcc: c@d"}, "must be an address"),
        ({"app_name": "a\nb"}, "must be one line"),
        ({"verify_user_emails": True, **OPEN}, "needs mails"),
        ({"prevent_login_with_unverified_email": True}, "needs VERIFY_USER_EMAILS"),
        ({"verify_user_emails": True, "smtp_host": "m", "mail_from": "a@b", **OPEN}, "SERVER_URL"),
    ],
)
def test_settings_that_cannot_mail_are_refused(settings, sentence):
    with pytest.raises(SettingsError, match=sentence):
        load_settings(_env_file=None, **settings)


def test_the_smtp_password_is_not_shown():
    settings = load_settings(_env_file=None, smtp_password="hidden-word")
    assert "hidden-word" not in repr(settings)
    assert "hidden-word" not in repr(SmtpServer("h", 1, "none", "u", "hidden-word", 1.0))
