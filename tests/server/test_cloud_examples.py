"""docs/cloud-code.md's Python examples, called through the API on a real server's parts."""

import re
import time
from pathlib import Path

import pytest
from image_host import ASTRONAUT, KEYS, MASTER

import cloud.code

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "cloud-code.md").read_text()


@pytest.fixture
def app(make_app):
    return make_app(allow_client_class_creation=True)


@pytest.fixture
def client(app):
    """A client of an app whose cloud code is the whole page."""
    registry = cloud.code.cloud
    before = [dict(part) for part in (registry._functions, registry._triggers, registry._jobs)]
    for example in re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        exec(compile(example, "docs/cloud-code.md", "exec"), {})  # noqa: S102 - our own page
    yield app.test_client()
    app.extensions["parsewarden"].jobs.close()
    registry._functions, registry._triggers, registry._jobs = before


def sign_up(client, name):
    sent = {"username": name, "password": "pw", "email": f"{name}@example.com"}
    user = client.post("/parse/users", json=sent, headers=KEYS).json
    return {**KEYS, "X-Parse-Session-Token": user["sessionToken"]}, user["objectId"]


@pytest.fixture
def alice(client):
    """Headers and id of a logged-in user."""
    return sign_up(client, "alice")


def call(client, name, params=None, headers=KEYS):
    return client.post(f"/parse/functions/{name}", json=params or {}, headers=headers).json


def save(client, class_name, values, headers=MASTER):
    return client.post(f"/parse/classes/{class_name}", json=values, headers=headers).json


def get(client, class_name, object_id):
    return client.get(f"/parse/classes/{class_name}/{object_id}", headers=MASTER).json


def pointer(class_name, object_id):
    return {"__type": "Pointer", "className": class_name, "objectId": object_id}


def test_functions(client):
    assert call(client, "averageStars", {"movie": "M"}) == {"result": None}
    for stars in (2, 5):
        save(client, "Opinion", {"movie": "M", "stars": stars})
    assert call(client, "averageStars", {"movie": "M"}) == {"result": 3.5}
    result = call(client, "example")["result"]
    assert {member["__type"] for member in result.values()} == {"Date", "GeoPoint", "Pointer"}


def test_errors(client, alice):
    headers, user_id = alice
    assert call(client, "buy")["code"] == 142
    assert call(client, "buy", headers=headers) == {"code": 141, "error": "You have no wallet."}
    save(client, "Wallet", {"owner": pointer("_User", user_id), "coins": 15})
    assert call(client, "buy", headers=headers) == {"result": 5}
    assert call(client, "buy", headers=headers)["code"] == 9001
    assert call(client, "publish", {"id": "nope"})["code"] == 101
    post = save(client, "Post", {"ACL": {"*": {"read": True}}})["objectId"]
    answer = call(client, "publish", {"id": post}, headers)
    assert answer == {"code": 141, "error": "This post is not yours."}


def test_validators(client, alice):
    headers, _ = alice
    rating = {"movie": "M", "stars": 5}
    assert call(client, "rate", rating)["error"].endswith("Please login to continue.")
    assert call(client, "rate", rating, headers) == {"result": "5 stars in en"}
    assert call(client, "rate", rating | {"stars": 6}, headers)["error"] == "One to five stars."
    assert call(client, "closeRound", {}, headers)["code"] == 142
    invited = call(client, "invite", {"email": "b@example.com"}, headers)
    assert invited == {"result": "alice invites b@example.com"}
    account = save(client, "Account", {"plan": "gold"}, headers)
    assert (account["plan"], account["seen"]) == ("free", True)
    assert "seen" not in save(client, "Account", {"plan": "gold"})
    assert call(client, "salary")["error"] == "Come to the office."


def test_who_calls(client, alice):
    headers = {**alice[0], "X-Parse-Cloud-Context": '{"campaign": "c"}', "User-Agent": "phone"}
    expected = {"name": "alice", "isAdmin": False, "agent": "phone", "campaign": "c"}
    assert call(client, "whoAmI", headers=headers) == {"result": expected}


def test_objects(client, alice):
    headers, user_id = alice
    for views in (9, 10, 11):
        save(client, "Post", {"author": pointer("_User", user_id), "views": views})
    result = call(client, "latestPosts", headers=headers)["result"]
    assert [post["views"] for post in result["posts"]] == [11, 10]
    assert result["posts"][0]["author"]["username"] == "alice"
    assert get(client, "Visit", result["visit"])["posts"] == 3
    draft = save(client, "Draft", {"a": 1})["objectId"]
    assert call(client, "dropDraft", {"id": draft}, headers) == {"result": None}
    assert get(client, "Draft", draft)["code"] == 101
    image = {"__type": "File", "name": "cat.png"}
    result = call(client, "edit", {"image": image}, headers)["result"]
    post = get(client, "Post", result["id"])
    assert (post["views"], post["tags"], "size" in post) == (1, ["a", "b"], False)
    assert result["me"] == pointer("Post", result["id"])
    assert post["ACL"] == {"*": {"read": True}, user_id: {"read": True, "write": True}}


def test_triggers(client, alice):
    headers, user_id = alice
    movie = save(client, "Movie", {"name": "M"})["objectId"]
    poster = save(client, "Poster", {"movie": pointer("Movie", movie)})["objectId"]
    review = {"movie": pointer("Movie", movie), "comment": "x" * 200}
    assert save(client, "Review", review, headers)["error"] == "One to five stars."
    saved = save(client, "Review", {**review, "stars": 3}, headers)
    assert len(saved["comment"]) == 140
    assert saved["author"]["objectId"] == user_id
    assert get(client, "Movie", movie)["reviews"] == 1
    path = f"/parse/classes/Review/{saved['objectId']}"
    stolen = client.put(path, json={"author": pointer("_User", "bob")}, headers=headers)
    assert stolen.json == {"code": 141, "error": "A review keeps its author."}
    assert client.put(path, json={"stars": 4}, headers=headers).status_code == 200
    assert get(client, "Movie", movie)["reviews"] == 1
    refused = client.delete(f"/parse/classes/Movie/{movie}", headers=MASTER)
    assert refused.json == {"code": 141, "error": "This movie has reviews."}
    client.delete(path, headers=MASTER)
    assert client.delete(f"/parse/classes/Movie/{movie}", headers=MASTER).json == {}
    assert get(client, "Poster", poster)["code"] == 101


def run_job(client, name):
    """Run it to its end; return its row."""
    response = client.post(f"/parse/jobs/{name}", json={}, headers=MASTER)
    job_id = response.headers["X-Parse-Job-Status-Id"]
    deadline = time.monotonic() + 5
    while get(client, "_JobStatus", job_id)["status"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return get(client, "_JobStatus", job_id)


def test_jobs(client):
    save(client, "Movie", {"name": "M"})
    assert run_job(client, "recountReviews")["message"] == "1 movies recounted"


def test_images(app, client):
    app.extensions["parsewarden"].database.files.put("a.png", ASTRONAUT, {})
    scores = {"Porn": {"min": 0.4, "max": 0.8}}
    client.put("/parse/config", json={"params": {"moderationScores": scores}}, headers=MASTER)
    image = {"__type": "File", "name": "a.png"}
    assert call(client, "isDecent", {"image": image}) == {"result": True}
    assert call(client, "isDecent", {"image": "a.png"})["code"] == 142


def test_what_was_approved_is_opened_and_what_is_taken_back_is_closed(client, alice):
    headers, user_id = alice
    own = {user_id: {"read": True, "write": True}}
    path = "/parse/files/me.png"
    name = client.post(path, data=ASTRONAUT, headers=headers).json["name"]
    values = {"image": {"__type": "File", "name": name}, "ACL": own}
    image = save(client, "UserImage", values, headers)["objectId"]

    def acl_after(decision):
        done = client.put(f"/parse/classes/UserImage/{image}", json=decision, headers=MASTER)
        assert done.status_code == 200, done.json
        assert run_job(client, "showApproved")["status"] == "succeeded"
        return get(client, "UserImage", image)["ACL"]

    assert acl_after({}) == own
    assert acl_after({"isSafe": True}) == {**own, "*": {"read": True}}
    assert acl_after({"deleted": True}) == own
    assert get(client, "UserImage", image)["shown"] is False


def test_triggers_of_finds(client):
    for values in ({"published": True}, {"published": True, "embargo": True}, {"text": "x"}):
        save(client, "Article", {"text": "y" * 30, **values})
    rows = client.get("/parse/classes/Article", headers=KEYS).json["results"]
    assert [row["teaser"] for row in rows] == ["y" * 20]
    far = client.get("/parse/classes/Article?skip=1001", headers=KEYS).json
    assert far["error"] == "That is too far back."
    assert len(client.get("/parse/classes/Article", headers=MASTER).json["results"]) == 2


def test_triggers_of_logins(client, alice):
    headers, user_id = alice
    login = {"username": "alice", "password": "pw"}
    assert client.post("/parse/login", json=login, headers=KEYS).status_code == 200
    assert get(client, "_User", user_id)["lastIp"] == "127.0.0.1"
    client.put(f"/parse/users/{user_id}", json={"banned": True}, headers=MASTER)
    assert client.post("/parse/logout", headers=headers).json == {}
    answer = client.post("/parse/login", json=login, headers=KEYS).json
    assert answer == {"code": 141, "error": "You are banned."}


def test_triggers_of_files(client, alice):
    headers, user_id = alice
    url = "/parse/files/logo.png"
    image = client.post(url, data=ASTRONAUT, headers=headers).json
    kept = client.get(f"/parse/files/myAppId/metadata/{image['name']}").json
    assert kept == {"metadata": {"by": user_id}}
    answer = client.delete(f"/parse/files/{image['name']}", headers=MASTER).json
    assert answer == {"code": 153, "error": "The logo stays."}
    large = client.post("/parse/files/a.txt", data=bytes(1_000_001), headers=MASTER)
    assert large.status_code == 413  # MAX_IMAGE_BYTES of these tests


def test_rate_limits(client, alice):
    headers, _ = alice
    far = {"environ_base": {"REMOTE_ADDR": "203.0.113.5"}}
    answers = [client.post("/parse/functions/roll", headers=headers, **far) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
