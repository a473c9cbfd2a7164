"""Triggers around logins and logouts: what they see, and what their refusal leaves behind."""

import pytest
from image_host import KEYS, MASTER
from parse_app import error

from cloud.code import CloudError, Validator

SENT = {"username": "alice", "password": "pw"}
ANONYMOUS = {"authData": {"anonymous": {"id": "1234"}}}


@pytest.fixture
def alice(parse):
    """A user with a password, logged in by the sign-up."""
    answer = parse.post("/users", SENT).json
    return {**KEYS, "X-Parse-Session-Token": answer["sessionToken"]}


def sessions(parse):
    return parse.find("_Session", by=MASTER)


def test_before_login_sees_the_user_and_nobody_is_logged_in_yet(parse, cloud_code, alice):
    seen = []

    @cloud_code.before_login
    def look(request):
        user = request.object
        seen.append((request.trigger_name, user["username"], request.user, "password" in user))
        seen.append((len(sessions(parse)), [name for name in user if name.startswith("_")]))

    assert parse.post("/login", SENT).status_code == 200
    assert seen == [("beforeLogin", "alice", None, False), (1, [])]


def test_before_login_refuses_and_no_session_begins(parse, cloud_code, alice):
    @cloud_code.before_login
    def refuse(request):
        raise CloudError("banned", 101)

    answer = parse.post("/login", SENT)
    assert (answer.status_code, error(answer)) == (404, (101, "banned"))
    assert len(sessions(parse)) == 1


def test_before_login_is_not_asked_about_a_wrong_password(parse, cloud_code, alice):
    @cloud_code.before_login
    def refuse(request):
        raise CloudError("banned")

    answer = parse.post("/login", {**SENT, "password": "wrong"})
    assert error(answer) == (101, "Invalid username/password.")


def test_before_login_is_asked_at_the_login_of_an_anonymous_user_not_at_sign_up(parse, cloud_code):
    @cloud_code.before_login
    def refuse(request):
        raise CloudError("banned")

    assert parse.post("/users", ANONYMOUS).status_code == 201
    assert error(parse.post("/users", ANONYMOUS)) == (141, "banned")
    assert len(sessions(parse)) == 1


def test_after_login_knows_the_user_and_the_session(parse, cloud_code, alice):
    seen = []

    @cloud_code.after_login()
    def look(request):
        seen.append((request.trigger_name, request.user["username"], request.object.id))
        seen.append(request.object["sessionToken"])
        seen.append(sorted(request.roles()))

    acl = {"*": {"read": True}}
    user_id = parse.get("/users/me", alice).json["objectId"]
    member = {"__type": "Pointer", "className": "_User", "objectId": user_id}
    users = {"__op": "AddRelation", "objects": [member]}
    parse.create("_Role", {"name": "Admin", "ACL": acl, "users": users})
    token = parse.post("/login", SENT).json["sessionToken"]
    assert seen == [("afterLogin", "alice", user_id), token, ["Admin"]]


def test_what_after_login_raises_reaches_the_client(parse, cloud_code, alice):
    @cloud_code.after_login
    def refuse(request):
        raise CloudError("late")

    assert error(parse.post("/login", SENT)) == (141, "late")


def test_after_logout_sees_the_session_that_ended(parse, cloud_code, alice):
    seen = []

    @cloud_code.after_logout
    def look(request):
        seen.append((request.trigger_name, request.object.class_name, len(sessions(parse))))
        seen.append((request.object["sessionToken"], request.user["username"]))

    assert parse.post("/logout", by=alice).json == {}
    token = alice["X-Parse-Session-Token"]
    assert seen == [("afterLogout", "_Session", 0), (token, "alice")]


def test_a_logout_without_a_session_runs_nothing(parse, cloud_code):
    @cloud_code.after_logout
    def refuse(request):
        raise CloudError("never")

    assert parse.post("/logout").json == {}
    headers = {**MASTER, "X-Parse-Session-Token": "r:nothing"}
    assert parse.post("/logout", by=headers).json == {}


def test_a_validator_stands_in_the_parentheses(parse, cloud_code, alice):
    def never(request):
        return False

    @cloud_code.before_login(validator=never)
    def before(request):
        raise AssertionError

    assert error(parse.post("/login", SENT)) == (142, "Validation failed.")

    @cloud_code.before_login(Validator(require_master=True))
    def again(request):
        raise AssertionError

    assert error(parse.post("/login", SENT))[0] == 142
