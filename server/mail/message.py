"""Mails as RFC 5322 has them."""

from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import default
from email.utils import formatdate, make_msgid, parseaddr

from server.mail.port import Mail, MailNotSent

# Links stand whole, so that whoever reads the file of a mail can copy them.
_UNWRAPPED = default.clone(max_line_length=998)


def to_message(mail: Mail, sender: str) -> EmailMessage:
    """Compose the message; `sender` is MAIL_FROM.

    Raises MailNotSent unless the mail is to exactly one plain address: what users enter for one
    may be a list, or hold a header.
    """
    message = EmailMessage(policy=_UNWRAPPED)
    message["From"] = sender
    message["To"] = _recipient(mail.to)
    message["Subject"] = mail.subject
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=address_of(sender).rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text, cte="7bit" if mail.text.isascii() else "8bit")
    return message


def address_of(sender: str) -> str:
    """The address in `Name <name@example.com>`, or empty if there is none."""
    return parseaddr(sender)[1]


def _recipient(email: str) -> Address:
    try:
        address = Address(addr_spec=email)
    except (ValueError, IndexError, MessageError):
        address = None
    if address is None or address.addr_spec != email or not email.isascii():
        raise MailNotSent("the user's address is none that mail can go to", is_final=True)
    return address
