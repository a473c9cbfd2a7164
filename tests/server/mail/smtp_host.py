"""An SMTP server in the test's hands: keeps what it is sent, and answers as it is told."""

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


class SmtpHost:
    """Listens on loopback; `replies` are the answers to the next mails instead of 250."""

    def __init__(self, port, tls=None, starttls=None, password=None):
        self.received, self.replies, self.logins = [], [], []
        self._password = password
        options = {"authenticator": self._authenticate, "auth_required": password is not None}
        if tls is not None:
            options["ssl_context"] = tls
        if starttls is not None:
            options |= {"tls_context": starttls, "require_starttls": True}
        else:
            options["auth_require_tls"] = False  # of TLS from the first byte on it knows nothing
        self._controller = Controller(self, hostname="127.0.0.1", port=port, **options)
        self._controller.start()
        self.port = port

    async def handle_DATA(self, server, session, envelope):
        if self.replies:
            return self.replies.pop(0)
        self.received.append(envelope)
        return "250 taken"

    def stop(self):
        self._controller.stop()

    def _authenticate(self, server, session, envelope, mechanism, data):
        self.logins.append(data.login.decode())
        return AuthResult(success=data.password.decode() == self._password, handled=False)
