"""The command `python -m server create-moderator`: who may use the panel, from the command line."""

import sys

import click

from admin.passwords import MIN_LENGTH, WeakPassword, check_password
from admin.people import Role
from admin.ports.team import OPERATOR, BadName, TeamAction
from admin.texts import catalogue
from config import Settings
from server.panel.operator import Hands, operators_hands
from server.panel.second_factors import has_second_factor
from server.panel.tables import may_use_panel
from server.panel.team import read_role
from server.storage.port import Document


@click.command(
    "create-moderator",
    help="Make a Parse user who may use the panel at /admin, or let a user who is there already. "
    "It does no harm beside a running server.",
)
@click.argument("name")
@click.option("--admin", is_flag=True, help="Also look after policy, team and escalated images.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--reset-password", is_flag=True, help="Give a user who is there a new password.")
@click.option("--reset-second-factor", is_flag=True, help="Let the password suffice again.")
@click.pass_obj
def create_moderator(
    settings: Settings,
    name: str,
    admin: bool,
    password_stdin: bool,
    reset_password: bool,
    reset_second_factor: bool,
) -> None:
    _require_folder(settings)
    with operators_hands(settings) as hands:
        user = hands.tables.user_named(name)
        password = None
        if user is None or reset_password:
            password = _read_password(name, from_stdin=password_stdin)
        try:
            if user is None:
                hands.team.create(name, password or "", Role.ADMIN if admin else Role.MODERATOR)
                click.echo(f"{name} may sign in at /admin{' as an admin' if admin else ''}")
            else:
                _promote(hands, user, admin=admin, password=password, reset=reset_second_factor)
        except BadName:
            raise click.ClickException(f"{name!r} can be nobody's name") from None


def _promote(
    hands: Hands, user: Document, *, admin: bool, password: str | None, reset: bool
) -> None:
    user_id, name = user["objectId"], user["username"]
    account = hands.tables.account(user_id)
    role = Role.ADMIN if admin else read_role(account)  # nobody loses a role by this
    if not may_use_panel(user, account) or role is not read_role(account):
        hands.team.promote(OPERATOR, name, role)
    if password is not None:
        hands.team.act(OPERATOR, user_id, TeamAction.PASSWORD_SET)
        hands.team.set_password(user_id, password)
    if reset and has_second_factor(account):
        hands.team.act(OPERATOR, user_id, TeamAction.SECOND_FACTOR_RESET)
    kept = "the password stays" if password is None else "with the new password"
    click.echo(f"{name}, who was there already, may sign in at /admin as {role}; {kept}")


def _require_folder(settings: Settings) -> None:
    if not settings.database_uri and not settings.data_dir.is_dir():
        raise click.ClickException(
            f"there is no DATA_DIR {settings.data_dir.resolve()}; run this where the server runs, "
            "or start the server once"
        )


def _read_password(name: str, *, from_stdin: bool) -> str:
    """Return a password that does, from standard input or asked for twice."""
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    try:
        check_password(password, name)
    except WeakPassword as error:
        sentence = catalogue("en")[f"account.{error.reason}"].format(length=MIN_LENGTH)
        raise click.ClickException(sentence) from None
    return password
