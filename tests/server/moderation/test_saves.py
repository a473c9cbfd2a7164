"""Saves of moderated files through Parse: what a client may write, and what a moderator means."""

import threading

import pytest
from image_host import KEYS, MASTER, noise
from moderation_parts import Moderation, predictions
from parse_app import error, outcome

from cloud.moderation.errors import StoreUnavailable
from cloud.moderation.items import State
from cloud.moderation.predictions import to_objects
from cloud.moderation.review import Reviewer
from cloud.objects import ParseObject
from cloud.operations import Delete
from cloud.values import File
from config import SettingsError, load_settings
from server.moderation import saves
from server.moderation.items import ITEM
from server.moderation.wiring import check_moderated_files
from server.objects.system_classes import NOBODY, SYSTEM_CLASSES, column_types
from server.storage.port import ClassSchema, Equals, Query, SchemaChange

PENDING = {"isSafe": False, "deleted": False, "moderationRequired": False}
APPROVED, REJECTED, REVIEW = (PENDING | {name: True} for name in PENDING)


class ModeratedApp:
    """A ParseApp whose items are judged when a test says so, by a scripted classifier."""

    def __init__(self, parse):
        self.parse = parse
        self.services = parse.services
        self.services.dispatch.close()  # which judges nothing any more
        self.moderation = Moderation(self.services.database)
        self.clock = self.moderation.clock

    def file(self, name, data=b"0.1 a"):
        self.services.database.files.put(name, data, {})
        return {"__type": "File", "name": name}

    def image(self, name="a.jpg", data=b"0.1 a", by=None, **columns):
        """Save a UserImage; returns its path."""
        body = {"image": self.file(name, data), **columns}
        answer = self.parse.post("/classes/UserImage", body, by)
        assert answer.status_code == 201, answer.json
        return f"/classes/UserImage/{answer.json['objectId']}"

    def judge(self, seconds=1):
        """Let time pass, far beyond the app's own clock, and process what is due."""
        now = saves.utc_now()
        self.clock.time = max(self.clock.time, now)
        self.clock.advance(seconds)
        self.moderation.process_all()

    def columns(self, path, names=(*PENDING, "NSFWPredictions")):
        row = self.parse.get(path, MASTER).json
        return {name: row[name] for name in names if name in row}

    def items(self):
        """The items that have not ended, and those that have."""
        rows = self.moderation.objects.find(ITEM, Query())
        return [r for r in rows if r["state"] != "ended"], [
            r for r in rows if r["state"] == "ended"
        ]

    def log(self, path):
        """The log of an object: who decided what, in the order of items and numbers."""
        object_id = path.rpartition("/")[2]
        current, ended = self.items()
        order = {row["objectId"]: place for place, row in enumerate(current + ended)}
        mine = [row for row in self.moderation.decisions() if row["subjectId"] == object_id]
        mine.sort(key=lambda row: (order[row["item"].object_id], row["number"]))
        return [(row["before"], row["after"], row["decidedBy"]) for row in mine]


@pytest.fixture
def app_on_each(parse_on_each):
    return ModeratedApp(parse_on_each)


@pytest.fixture
def moderated(parse):
    return ModeratedApp(parse)


@pytest.fixture
def bob(moderated):
    return moderated.parse.person("bob", isModerator=True)


# --- the columns ----------------------------------------------------------------------------------

JUDGED = [(b"0.1", APPROVED), (b"0.9", REJECTED), (b"0.5", REVIEW)]


@pytest.mark.parametrize(("data", "columns"), JUDGED)
def test_a_new_image_is_pending_and_then_what_the_rules_say(app_on_each, data, columns):
    app = app_on_each
    path = app.image(data=data)
    assert app.columns(path) == PENDING
    app.judge()
    array = to_objects(predictions(float(data)))
    assert app.columns(path) == {**columns, "NSFWPredictions": array}
    row = app.parse.get(path).json
    assert set(row) == {"objectId", "createdAt", "updatedAt", "image", *app.columns(path)}
    ((item,), ended) = app.items()
    assert (item["transitions"], "unsettled" in item, ended) == (1, False, [])


AVATAR = ("avatarIsSafe", "avatarDeleted", "avatarModerationRequired", "avatarNSFWPredictions")
SIGN_UP = {"username": "alice", "password": "secret"}


@pytest.mark.parametrize(("data", "columns"), JUDGED)
def test_a_users_avatar_has_columns_of_its_own(make_parse, database_uri, data, columns):
    settings = {"moderated_files": "UserImage.image,_User.avatar", "database_uri": database_uri}
    app = ModeratedApp(make_parse(**settings))
    answer = app.parse.post("/users", SIGN_UP | {"avatar": app.file("me.jpg", data)})
    assert answer.status_code == 201
    assert set(answer.json) == {"objectId", "createdAt", "sessionToken"}
    path = f"/users/{answer.json['objectId']}"
    own = {"X-Parse-Session-Token": answer.json["sessionToken"]}
    assert app.columns(path, AVATAR) == dict.fromkeys(AVATAR[:3], False)
    refused = app.parse.call("PUT", path, {"avatarIsSafe": True}, **own)
    assert outcome(refused) == (400, 119)
    app.judge()
    array = to_objects(predictions(float(data)))
    assert app.columns(path, AVATAR) == dict(zip(AVATAR, [*columns.values(), array], strict=True))
    unset = app.parse.call("PUT", path, {"avatar": {"__op": "Delete"}}, **own)
    assert unset.status_code == 200
    assert app.columns(path, AVATAR) == {}
    assert app.log(path)[-1][1] == "ended"
    app.parse.call("PUT", path, {"avatar": app.file("again.jpg")}, **own)
    assert app.parse.call("DELETE", path, **own).status_code == 200
    assert app.items()[0] == []


def test_a_sign_up_that_is_refused_makes_no_item(make_parse):
    app = ModeratedApp(make_parse(moderated_files="_User.avatar"))
    app.parse.person("alice")
    refused = app.parse.post("/users", SIGN_UP | {"avatar": app.file("me.jpg")})
    assert outcome(refused) == (400, 202)
    assert app.items() == ([], [])


def test_two_columns_of_a_class_are_judged_apart(make_parse):
    app = ModeratedApp(make_parse(moderated_files="UserImage.image, UserImage.thumb"))
    path = app.image(data=b"0.1", thumb=app.file("t.jpg", b"0.9"))
    app.judge()
    names = ("isSafe", "deleted", "thumbIsSafe", "thumbDeleted")
    assert app.columns(path, names) == dict(zip(names, (True, False, False, True), strict=True))
    app.parse.put(path, {"image": app.file("b.jpg", b"0.5")})
    app.parse.put(path, {"thumbIsSafe": True}, MASTER)
    app.judge()
    names = ("moderationRequired", "thumbIsSafe", "thumbDeleted")
    assert app.columns(path, names) == dict(zip(names, (True, True, False), strict=True))
    assert len(app.items()[0]) == 2


def test_nobody_sees_what_an_object_remembers_of_its_item(app_on_each):
    path = app_on_each.image()
    for by in (KEYS, MASTER):
        assert not [name for name in app_on_each.parse.get(path, by).json if name[0] == "_"]
    schema = app_on_each.parse.get("/schemas/UserImage", MASTER).json
    assert not [name for name in schema["fields"] if name[0] == "_"]


def test_to_include_everything_is_not_to_include_that(app_on_each):
    app = app_on_each
    path = app.image()
    app.judge()
    for by in (KEYS, MASTER):
        plain = app.parse.get(path, by).json
        for options in ({"include": "*"}, {"includeAll": "true"}):
            (found,) = app.parse.get("/classes/UserImage", by, **options).json["results"]
            assert found == plain
        assert app.parse.get(path, by, include="*").json == plain


# --- a client's hands off -------------------------------------------------------------------------

HANDS = [
    {"isSafe": True},
    {"isSafe": False},
    {"isSafe": None},
    {"isSafe": {"__op": "Delete"}},
    {"deleted": {"__op": "Increment", "amount": 1}},
    {"moderationRequired": True},
    {"NSFWPredictions": []},
    {"NSFWPredictions": {"__op": "Add", "objects": [1]}},
    {"NSFWPredictions": {"__op": "AddUnique", "objects": [1]}},
]


@pytest.mark.parametrize("body", HANDS)
def test_a_client_cannot_write_the_columns(moderated, body):
    alice, path = moderated.parse.person("alice"), moderated.image()
    batch = {"method": "PUT", "path": f"/parse{path}", "body": body}
    answers = [moderated.parse.put(path, body), moderated.parse.put(path, body, alice)]
    if body != {"isSafe": {"__op": "Delete"}}:  # a new object has nothing to delete
        new = {"image": moderated.file("b.jpg"), **body}
        answers += [moderated.parse.post("/classes/UserImage", new, by) for by in (KEYS, alice)]
    assert {outcome(answer) for answer in answers} == {(400, 119)}
    assert error(answers[0])[1] == f"{next(iter(body))} is written by moderation alone."
    (batched,) = moderated.parse.post("/batch", {"requests": [batch]}).json
    assert batched["error"]["code"] == 119
    assert moderated.columns(path) == PENDING
    assert len(moderated.items()[0]) == 1


@pytest.mark.parametrize("path", ["isSafe.x", "NSFWPredictions.0", "NSFWPredictions.0.probability"])
def test_a_client_cannot_write_into_the_columns(moderated, path):
    image = moderated.image()
    assert outcome(moderated.parse.put(image, {path: 1})) == (400, 119)


@pytest.mark.parametrize("name", ["_imageDecision", "_imageDecision.x"])
def test_nobody_writes_what_an_object_remembers(moderated, name):
    path = moderated.image()
    for by in (KEYS, MASTER):
        assert outcome(moderated.parse.put(path, {name: "x"}, by)) == (400, 105)


def test_a_trigger_cannot_write_the_columns(moderated, cloud_code):
    @cloud_code.before_save("UserImage")
    def approve(request):
        request.object["isSafe"] = True
        request.object["NSFWPredictions"] = []
        request.object["caption"] = "nice"

    path = moderated.image()
    assert moderated.columns(path) == PENDING
    moderated.judge()
    before = moderated.columns(path)
    assert moderated.parse.put(path, {"imageAuthor": "ann"}).status_code == 200
    assert moderated.columns(path) == before
    assert moderated.parse.get(path).json["caption"] == "nice"


def test_an_image_that_a_trigger_sets_is_pending_too(moderated, cloud_code):
    @cloud_code.before_save("UserImage")
    def replace(request):
        request.object["image"] = File("other.jpg")

    moderated.file("other.jpg", b"0.9")
    path = moderated.image()
    ((item,), _) = moderated.items()
    assert item["fileName"] == "other.jpg"
    moderated.judge()
    assert moderated.columns(path, PENDING) == REJECTED


def test_a_user_cannot_make_himself_a_moderator(moderated):
    alice = moderated.parse.person("alice")
    refused = moderated.parse.put(f"/users/{alice.id}", {"isModerator": True}, alice)
    assert refused.status_code == 400


# --- new, changed, removed ------------------------------------------------------------------------


def test_a_changed_image_is_pending_in_the_same_write(app_on_each):
    app = app_on_each
    path = app.image(data=b"0.1")
    app.judge()
    app.parse.put(path, {"image": app.file("b.jpg", b"0.9"), "imageAuthor": "ann"})
    assert app.columns(path) == PENDING
    app.judge()
    assert app.columns(path, PENDING) == REJECTED
    assert app.log(path) == [
        ("pending", "rejected", "rules"),
        ("pending", "approved", "rules"),
        ("approved", "ended", "system"),
    ]


def test_the_same_file_set_again_changes_nothing(app_on_each):
    app = app_on_each
    path = app.image()
    app.judge()
    before = app.columns(path)
    again = {"image": {"__type": "File", "name": "a.jpg", "url": "http://elsewhere.example/a.jpg"}}
    assert app.parse.put(path, again).status_code == 200
    assert app.columns(path) == before
    assert (len(app.items()[0]), len(app.items()[1])) == (1, 0)


def test_back_to_the_first_file_is_a_new_image(app_on_each):
    app = app_on_each
    path = app.image("a.jpg", b"0.1")
    app.judge()
    app.parse.put(path, {"isSafe": True}, MASTER)
    app.parse.put(path, {"image": app.file("b.jpg", b"0.9")})
    app.parse.put(path, {"image": {"__type": "File", "name": "a.jpg"}})
    assert app.columns(path) == PENDING
    current, ended = app.items()
    assert [item["fileName"] for item in current] == ["a.jpg"]
    assert sorted(item["fileName"] for item in ended) == ["a.jpg", "b.jpg"]
    app.judge()
    assert app.columns(path, PENDING) == APPROVED


@pytest.mark.parametrize("unset", [{"__op": "Delete"}, None])
def test_an_image_taken_away_takes_its_columns_along(app_on_each, unset):
    app = app_on_each
    path = app.image(data=b"0.5")
    app.judge()
    app.parse.put(path, {"image": unset})
    assert app.columns(path) == {}
    assert app.log(path) == [("pending", "review", "rules"), ("review", "ended", "system")]


@pytest.mark.parametrize(
    "nothing",
    [
        {"__op": "AddRelation", "objects": []},
        {"__op": "Batch", "ops": []},
        {"__type": "Relation", "className": "UserImage"},
    ],
)
def test_an_operation_that_leaves_the_file_leaves_its_verdict(moderated, nothing):
    path = moderated.image(data=b"0.9")
    moderated.judge()
    before = moderated.columns(path)
    moderated.parse.put(path, {"image": nothing})
    assert moderated.columns(path) == before
    assert before["deleted"] is True
    assert len(moderated.items()[0]) == 1


def test_a_purge_of_the_class_ends_the_items_of_all(app_on_each):
    app = app_on_each
    for number in range(3):
        app.image(f"{number}.jpg")
    app.judge()
    pending = app.image("late.jpg")
    assert app.parse.delete("/purge/UserImage", MASTER).json == {}
    current, ended = app.items()
    assert (current, len(ended)) == ([], 4)
    assert {row["decidedBy"] for row in ended} == {"system"}
    assert app.log(pending)[-1][1] == "ended"
    assert app.parse.delete("/schemas/UserImage", MASTER).json == {}
    app.image("new.jpg")
    app.judge()
    assert [row["state"] for row in app.items()[0]] == ["approved"]


@pytest.fixture
def interrupt_after(monkeypatch):
    """Have the next write of this name to a class be the last thing that a call gets done."""

    def arrange(app, method, class_name):
        objects = app.services.database.objects
        write, written = getattr(objects, method), []

        def interrupted(schema, *arguments, **options):
            if written:
                raise StoreUnavailable("scripted")
            done = write(schema, *arguments, **options)
            if schema.class_name == class_name:
                written.append(done)
                raise StoreUnavailable("scripted")
            return done

        monkeypatch.setattr(
            type(objects), method, lambda _self, *given, **options: interrupted(*given, **options)
        )

    return arrange


@pytest.mark.parametrize("columns", [PENDING, APPROVED])
def test_a_deletion_that_got_no_answer_ends_the_item(
    app_on_each, interrupt_after, monkeypatch, columns
):
    app = app_on_each
    path = app.image()
    if columns == APPROVED:
        app.judge()
    interrupt_after(app, "delete", "UserImage")
    assert outcome(app.parse.delete(path)) == (400, 155)
    monkeypatch.undo()
    assert outcome(app.parse.delete(path)) == (404, 101)  # which is all that a client can do
    app.judge(11)
    app.judge(700)
    assert app.items()[0] == []
    assert app.log(path)[-1][1] == "ended"


def test_a_purge_that_got_no_answer_ends_the_items_of_what_is_gone(
    app_on_each, interrupt_after, monkeypatch
):
    app = app_on_each
    for number in range(3):
        app.image(f"{number}.jpg")
    app.judge()
    interrupt_after(app, "delete", "UserImage")
    assert outcome(app.parse.delete("/purge/UserImage", MASTER)) == (400, 155)
    monkeypatch.undo()
    app.judge(11)
    current, ended = app.items()
    assert (current, len(ended)) == ([], 3)


def test_a_file_taken_away_without_an_answer_ends_its_item(
    app_on_each, interrupt_after, monkeypatch
):
    app = app_on_each
    path = app.image()
    app.judge()
    interrupt_after(app, "update", "UserImage")
    answer = app.parse.put(path, {"image": {"__op": "Delete"}})
    assert outcome(answer) == (400, 155)
    monkeypatch.undo()
    app.judge(11)
    assert app.items()[0] == []


def test_a_file_set_and_taken_away_at_once_leaves_no_item(app_on_each, monkeypatch):
    """The save that takes it away has read the object before the other one set the file."""
    app = app_on_each
    path = app.image()
    app.judge()
    objects, others = app.services.database.objects, []
    update = objects.update

    def after_another_save(schema, where, operations, **options):
        if schema.class_name == "UserImage" and not others:
            others.append(None)
            assert app.parse.put(path, {"image": app.file("b.jpg")}).status_code == 200
            app.judge()
        return update(schema, where, operations, **options)

    monkeypatch.setattr(type(objects), "update", lambda _self, *a, **o: after_another_save(*a, **o))
    assert app.parse.put(path, {"image": {"__op": "Delete"}}).status_code == 200
    monkeypatch.undo()
    current, ended = app.items()
    assert (current, len(ended)) == ([], 2)


@pytest.mark.parametrize(("ruling", "columns"), [({}, PENDING), ({"deleted": True}, REJECTED)])
@pytest.mark.parametrize("new", [True, False])
def test_a_save_that_stalled_until_its_item_ended_has_it_judged_all_the_same(
    app_on_each, monkeypatch, ruling, columns, new
):
    app = app_on_each
    body = {"image": app.file("late.jpg"), **ruling}
    path = "/classes/UserImage" if new else app.image("first.jpg")
    objects, stalled = app.services.database.objects, []
    method = "insert" if new else "update"
    write = getattr(objects, method)

    def stall(schema, *arguments, **options):
        if schema.class_name == "UserImage" and not stalled:
            stalled.append(None)
            for _ in range(12):
                app.judge(60)
        return write(schema, *arguments, **options)

    monkeypatch.setattr(type(objects), method, lambda _self, *a, **o: stall(*a, **o))
    answer = app.parse.call("POST" if new else "PUT", path, body, MASTER)
    monkeypatch.undo()
    assert answer.status_code in (200, 201), answer.json
    path = f"/classes/UserImage/{answer.json['objectId']}" if new else path
    assert app.columns(path, PENDING) == columns
    app.judge()
    assert app.columns(path, PENDING) == (columns if ruling else APPROVED)
    ((item,), ended) = app.items()
    assert (item["fileName"], len(ended)) == ("late.jpg", 1 if new else 2)


def test_a_deleted_object_ends_its_item(app_on_each):
    app = app_on_each
    path = app.image()
    assert app.parse.delete(path).status_code == 200
    assert app.log(path) == [("pending", "ended", "system")]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"image": "text"}, 111),
        ({"image.name": "x"}, 111),
        ({"image": {"__op": "Increment", "amount": 1}}, 111),
        ({"image": {"__type": "File", "name": "c.jpg"}, "imageAuthor": 7}, 111),
        ({"image": {"__type": "File", "name": "c.jpg"}, "bad-name": 7}, 105),
    ],
)
def test_a_save_that_is_refused_makes_no_item(moderated, body, code):
    path = moderated.image()
    assert outcome(moderated.parse.put(path, body)) == (400, code)
    assert len(moderated.items()[0]) == 1


def test_the_item_of_a_save_that_then_failed_ends(moderated, monkeypatch):
    path = moderated.image()
    objects = moderated.services.database.objects
    update = objects.update

    def gone(schema, where, operations, **options):
        if schema.class_name == "UserImage":
            objects.delete(schema, Equals("objectId", path.rpartition("/")[2]))
        return update(schema, where, operations, **options)

    monkeypatch.setattr(type(objects), "update", lambda _self, *a, **o: gone(*a, **o))
    refused = moderated.parse.put(path, {"image": moderated.file("b.jpg")})
    monkeypatch.undo()
    assert outcome(refused) == (404, 101)
    assert len(moderated.items()[0]) == 2
    moderated.judge(601)
    assert moderated.items()[0] == []
    assert {after for _, after, _ in moderated.log(path)} == {"ended"}


@pytest.mark.parametrize("round_", range(4))
def test_concurrent_saves_leave_the_image_that_is_there_with_its_own_verdict(app_on_each, round_):
    app, saved = app_on_each, []
    path = app.image("first.jpg", b"0.5")
    if round_ % 2:
        app.judge()
    files = [app.file(f"{n}.jpg", b"0.1" if n % 2 else b"0.9") for n in range(6)]

    def save(file):
        saved.append(app.parse.put(path, {"image": file}).status_code)

    threads = [threading.Thread(target=save, args=(file,)) for file in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert saved == [200] * 6
    name = app.parse.get(path).json["image"]["name"]
    for _ in range(14):
        app.judge(60)
    assert app.columns(path, PENDING) == (APPROVED if int(name[0]) % 2 else REJECTED)
    ((item,), ended) = app.items()
    assert (item["fileName"], len(ended)) == (name, 6)


# --- moderators -----------------------------------------------------------------------------------

RULINGS = [
    ({"isSafe": True}, APPROVED),
    ({"deleted": True}, REJECTED),
    ({"isSafe": True, "moderationRequired": False}, APPROVED),
    ({"deleted": True, "moderationRequired": False, "isSafe": False}, REJECTED),
]


@pytest.mark.parametrize(("body", "columns"), RULINGS)
@pytest.mark.parametrize("who", ["bob", "master"])
def test_a_moderators_save_is_a_decision_with_his_name(moderated, bob, body, columns, who):
    path = moderated.image(data=b"0.5")
    moderated.judge()
    by, name = (bob, f"user:{bob.id}") if who == "bob" else (MASTER, "master key")
    answer = moderated.parse.put(path, {**body, "imageAuthor": "ann"}, by)
    assert (answer.status_code, set(answer.json)) == (200, {"updatedAt"})
    array = to_objects(predictions(0.5))
    assert moderated.columns(path) == {**columns, "NSFWPredictions": array}
    after = "approved" if columns == APPROVED else "rejected"
    assert moderated.log(path) == [("pending", "review", "rules"), ("review", after, name)]
    moderated.judge(601)
    assert moderated.columns(path, PENDING) == columns


def test_a_moderators_decision_on_a_pending_image_outlives_the_worker(app_on_each):
    path = app_on_each.image(data=b"0.1")
    app_on_each.parse.put(path, {"deleted": True}, MASTER)
    app_on_each.judge()
    assert app_on_each.columns(path) == {**REJECTED, "NSFWPredictions": []}
    assert app_on_each.log(path) == [("pending", "rejected", "master key")]


@pytest.mark.parametrize(
    ("before", "body"),
    [({"isSafe": True}, {"isSafe": False}), ({"deleted": True}, {"deleted": {"__op": "Delete"}})],
)
def test_what_a_moderator_takes_back_is_for_review(moderated, before, body):
    path = moderated.image(data=b"0.5")
    moderated.judge()
    moderated.parse.put(path, before, MASTER)
    assert moderated.parse.put(path, body, MASTER).status_code == 200
    assert moderated.columns(path, PENDING) == REVIEW
    assert len(moderated.log(path)) == 3


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"isSafe": True, "deleted": True}, 142),
        ({"isSafe": True, "moderationRequired": True}, 142),
        ({"moderationRequired": False}, 142),
        ({"isSafe": "yes"}, 111),
        ({"isSafe.x": True}, 111),
        ({"image": {"__op": "Delete"}, "isSafe": True}, 142),
    ],
)
def test_what_a_moderator_cannot_mean_is_refused(moderated, body, code):
    path = moderated.image(data=b"0.5")
    moderated.judge()
    assert outcome(moderated.parse.put(path, body, MASTER)) == (400, code)
    assert moderated.columns(path, PENDING) == REVIEW
    assert len(moderated.log(path)) == 1


def test_a_moderators_save_that_says_what_stands_is_no_decision(moderated):
    path = moderated.image(data=b"0.1")
    moderated.judge()
    row = moderated.parse.get(path).json
    row = {name: row[name] for name in row if name not in ("createdAt", "updatedAt")}
    assert moderated.parse.put(path, row | {"imageAuthor": "ann"}, MASTER).status_code == 200
    assert len(moderated.log(path)) == 1
    assert moderated.columns(path, PENDING) == APPROVED


@pytest.mark.parametrize("body", [{"isSafe": True}, {"deleted": True}])
def test_what_was_left_to_the_admins_is_not_decided_past_them(moderated, bob, body):
    path = moderated.image(data=b"0.5")
    moderated.judge()
    ((item,), _) = moderated.items()
    desk = moderated.moderation.desk()
    desk.escalate(Reviewer(bob.id, "Bob", "s1"), item["objectId"], "Is she of age?")
    assert outcome(moderated.parse.put(path, body, bob)) == (400, 119)
    assert moderated.columns(path, PENDING) == REVIEW
    assert moderated.parse.put(path, {"moderationRequired": True}, bob).status_code == 200
    assert moderated.parse.put(path, body, MASTER).status_code == 200
    assert moderated.columns(path, PENDING) == PENDING | body


def test_predictions_are_nobodys_to_write(moderated):
    path = moderated.image(data=b"0.1")
    moderated.judge()
    before = moderated.columns(path)
    moderated.parse.put(path, {"NSFWPredictions": []}, MASTER)
    assert moderated.columns(path) == before


def test_a_decision_about_no_image_is_refused(moderated):
    refused = moderated.parse.post("/classes/UserImage", {"isSafe": True}, MASTER)
    assert error(refused) == (142, "There is no image in image to decide on.")


def test_an_image_may_come_with_its_decision(moderated):
    path = moderated.image(data=b"0.9", by=MASTER, isSafe=True)
    moderated.judge()
    assert moderated.columns(path) == {**APPROVED, "NSFWPredictions": []}
    assert moderated.log(path) == [("pending", "approved", "master key")]
    changed = {"image": moderated.file("b.jpg", b"0.1"), "deleted": True}
    moderated.parse.put(path, changed, MASTER)
    assert moderated.columns(path) == {**REJECTED, "NSFWPredictions": []}


def test_an_image_from_before_moderation_gets_an_item_with_its_first_decision(app_on_each):
    app = app_on_each
    path = app.image(data=b"0.1")
    app.parse.delete(path)
    path = app.image(data=b"0.1")
    schema = app.services.schemas.find("UserImage")
    object_id = path.rpartition("/")[2]
    app.moderation.objects.update(
        schema, Equals("objectId", object_id), {"_imageDecision": Delete(), "isSafe": Delete()}
    )
    app.moderation.objects.delete(ITEM, Equals("subjectId", object_id))
    assert app.parse.put(path, {"deleted": True}, MASTER).status_code == 200
    app.judge()
    assert app.columns(path, PENDING) == REJECTED
    ((item,), _) = app.items()
    assert (item["state"], item["decidedBy"]) == ("rejected", "master key")


def test_a_person_overrules_rules_that_were_faster_but_no_other_person(moderated, monkeypatch):
    path = moderated.image(data=b"0.1")
    ((item,), _) = moderated.items()
    decide = type(moderated.moderation.pipeline).decide
    interruptions = []

    def meanwhile(pipeline, *arguments, **options):
        if interruptions:
            interruptions.pop()()
        return decide(pipeline, *arguments, **options)

    monkeypatch.setattr(type(moderated.moderation.pipeline), "decide", meanwhile)
    interruptions.append(lambda: moderated.moderation.pipeline.process(item["objectId"]))
    moderated.clock.time = saves.utc_now()
    assert moderated.parse.put(path, {"deleted": True}, MASTER).status_code == 200
    assert [after for _, after, _ in moderated.log(path)] == ["approved", "rejected"]

    as_bob = {"decided_by": "user:bob", "reasons": ()}
    seen = moderated.moderation.items.get(item["objectId"])
    interruptions.append(
        lambda: decide(moderated.moderation.pipeline, seen, State.REVIEW, **as_bob)
    )
    refused = moderated.parse.put(path, {"isSafe": True}, MASTER)
    assert error(refused) == (
        141,
        "This image was already decided by user:bob. Fetch the object again.",
    )
    assert moderated.columns(path, PENDING) == REVIEW


def test_cloud_code_with_the_master_key_decides_as_the_master_key(moderated, cloud_code):
    @cloud_code.define("approve")
    def approve(request):
        image = request.as_master.get("UserImage", request.params["id"])
        image["isSafe"] = True
        request.as_master.save(image)

    alice, path = moderated.parse.person("alice"), moderated.image(data=b"0.9")
    body = {"id": path.rpartition("/")[2]}
    assert moderated.parse.post("/functions/approve", body, alice).status_code == 200
    assert moderated.log(path) == [("pending", "approved", "master key")]


# --- SDKs -----------------------------------------------------------------------------------------


def test_a_javascript_sdk_saves_one_and_many(moderated):
    """Its keys are in the body, every save is a POST, `_method` says what is meant."""
    sdk = {"_ApplicationId": "myAppId", "_JavaScriptKey": "myJsKey", "_ClientVersion": "js5.3.0"}

    def call(path, body):
        return moderated.parse.client.open(
            f"/parse{path}", method="POST", json={**sdk, **body}, content_type="text/plain"
        )

    answer = call("/classes/UserImage", {"image": moderated.file("a.jpg", b"0.5")})
    path = f"/classes/UserImage/{answer.json['objectId']}"
    put = {"method": "PUT", "path": f"/parse{path}"}
    post = {"method": "POST", "path": "/parse/classes/UserImage"}
    requests = [
        {**post, "body": {"image": moderated.file("b.jpg", b"0.9")}},
        {**put, "body": {"image": moderated.file("c.jpg", b"0.1")}},
        {**put, "body": {"isSafe": True}},
    ]
    made, changed, refused = call("/batch", {"requests": requests}).json
    assert "updatedAt" in changed["success"]
    assert refused["error"]["code"] == 119
    moderated.judge()
    assert moderated.columns(path, PENDING) == APPROVED
    other = f"/classes/UserImage/{made['success']['objectId']}"
    assert moderated.columns(other, PENDING) == REJECTED
    master = {"_method": "PUT", "_MasterKey": "myMasterKey", "deleted": True}
    assert call(path, master).status_code == 200
    assert moderated.columns(path, PENDING) == REJECTED


@pytest.mark.slow
def test_an_upload_is_judged_by_the_real_model_after_the_save_answered(parse_on_each):
    import time

    parse = parse_on_each
    scores = {"Neutral": {"min": 0.0, "max": 1.0}}
    config = {"moderationAutomation": True, "moderationScores": scores}
    parse.put("/config", {"params": config}, MASTER)
    upload = parse.client.post("/parse/files/a.jpg", data=noise(4), headers=MASTER).json
    image = {"__type": "File", "name": upload["name"]}
    path = f"/classes/UserImage/{parse.create('UserImage', {'image': image}, KEYS)}"
    deadline = time.monotonic() + 20
    while not (row := parse.get(path).json)["moderationRequired"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert (row["isSafe"], len(row["NSFWPredictions"])) == (False, 5)


# --- what a schema says of the columns ------------------------------------------------------------


def options_of(name, app):
    file = app.file("default.jpg")
    kind = {"image": "File", "NSFWPredictions": "Array"}.get(name, "Boolean")
    default = {"File": file, "Array": [], "Boolean": True}[kind]
    return [{"type": kind, "defaultValue": default}, {"type": kind, "required": True}]


@pytest.mark.parametrize("name", ["image", "isSafe", "deleted", "moderationRequired"])
def test_a_schema_gives_no_image_and_no_verdict(app_on_each, name):
    """A default is in objects that nobody saved an image of: nothing would ever judge it."""
    app = app_on_each
    sentence = f"{name} is filled by moderation alone: it has no default value and is not required."
    for options in options_of(name, app):
        answer = app.parse.post("/schemas/UserImage", {"fields": {name: options}}, MASTER)
        assert error(answer) == (119, sentence)
    path = app.image()
    for options in options_of(name, app):
        answer = app.parse.put("/schemas/UserImage", {"fields": {name: options}}, MASTER)
        assert error(answer) == (119, sentence)
    app.judge()
    assert app.columns(path) == {**APPROVED, "NSFWPredictions": to_objects(predictions(0.1))}


def test_defaults_and_requirements_that_another_server_stored_do_not_count(app_on_each):
    app = app_on_each
    app.image()
    options = {
        "image": {"defaultValue": app.file("default.jpg")},
        "isSafe": {"defaultValue": True},
        "deleted": {"required": True},
        "x": {"defaultValue": 1},
    }
    app.services.schemas.declare(ClassSchema("UserImage", column_types(x="Number")))
    app.services.schemas.change("UserImage", SchemaChange(options=options))
    for body in ({}, {"image": None}):
        object_id = app.parse.create("UserImage", body, KEYS)
        row = app.parse.get(f"/classes/UserImage/{object_id}").json
        assert (row.get("image"), app.columns(f"/classes/UserImage/{object_id}")) == (None, {})
        assert row["x"] == 1
    path = app.image()
    assert app.columns(path) == PENDING
    assert app.parse.put(path, {"image": None}, MASTER).status_code == 200
    assert app.columns(path) == {}


# --- classes of the server's own ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ModerationItem", "ModerationDecision", "ModerationPolicy"])
@pytest.mark.parametrize("is_stored", [False, True])
def test_the_record_is_the_master_keys_alone(moderated, name, is_stored):
    parse, alice = moderated.parse, moderated.parse.person("alice")
    if is_stored:
        parse.put("/config", {"params": {"moderationAutomation": True}}, MASTER)
        moderated.image()
        moderated.judge()
        moderated.services.parse_config.current()
    for by in (KEYS, alice):
        for answer in [
            parse.get(f"/classes/{name}", by),
            parse.get(f"/classes/{name}", by, count=1, limit=0),
            parse.post(f"/classes/{name}", {"state": "approved"}, by),
            parse.put(f"/classes/{name}/x", {"state": "approved"}, by),
            parse.delete(f"/classes/{name}/x", by),
            parse.get(f"/classes/{name}/x", by),
            parse.post(f"/classes/{name}", {"ACL": {"*": {"read": True}}}, by),
        ]:
            assert outcome(answer) == (400, 119)
    rows = parse.find(name, by=MASTER)
    assert len(rows) == (1 if is_stored else 0)
    assert moderated.services.schemas.find(name).permissions == NOBODY


# --- the setting ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "columns"),
    [
        ("UserImage.image,_User.avatar", {"UserImage": ("image",), "_User": ("avatar",)}),
        (" Post.a , Post.b,Post.a ", {"Post": ("a", "b")}),
        ("", {"UserImage": ("image",)}),
    ],
)
def test_moderated_files_are_read(value, columns, monkeypatch):
    monkeypatch.setenv("MODERATED_FILES", value)
    settings = load_settings(_env_file=None)
    assert settings.moderated_files == columns
    check_moderated_files(settings)


@pytest.mark.parametrize(
    "value",
    ["UserImage", "UserImage.", ".image", "User Image.image", "A.b.c", "A._b", "1A.b", "A.b;C.d"],
)
def test_what_is_no_column_is_refused(value):
    with pytest.raises(SettingsError, match=r"MODERATED_FILES: .* is not of the form Class.column"):
        load_settings(_env_file=None, moderated_files=value)


@pytest.mark.parametrize("value", [" ", ",", " , "])
def test_no_column_at_all_is_refused_for_nothing_would_be_moderated(value):
    with pytest.raises(SettingsError, match=r"MODERATED_FILES: .*no column is named"):
        load_settings(_env_file=None, moderated_files=value)


@pytest.mark.parametrize(
    "value",
    [
        "_Session.image",
        "_Foo.image",
        "ModerationItem.image",
        "ImageClassification.image",
        "UserImage.objectId",
        "UserImage.ACL",
        "UserImage.imageAuthor",
        "UserImage.isSafe",
        "UserImage.image,UserImage.deleted",
        "_User.username",
        "_User.password",
        "_User.isModerator",
        "Post.image,Post.imageDeleted",
        "Post.imageDeleted,Post.image",
    ],
)
def test_what_is_another_column_is_refused(value):
    settings = load_settings(_env_file=None, moderated_files=value)
    with pytest.raises(SettingsError, match="MODERATED_FILES: "):
        check_moderated_files(settings)


def test_the_master_key_and_cloud_code_only_read_the_record(app_on_each, cloud_code):
    """Whoever could write it could say that somebody decided, or what nobody can read."""
    app = app_on_each
    app.image()
    app.judge()
    (row,) = app.parse.find("ModerationItem", by=MASTER)
    for name in (n for n, s in SYSTEM_CLASSES.items() if s.permissions == NOBODY):
        if name == "ModerationMemory":  # lists are written by hand
            continue
        path, body = f"/classes/{name}", {"state": "review", "unsettled": {"a": 1}}
        sentence = f"{name} is a class of the server's own, which it alone writes."

        def save(request, name=name):
            request.as_master.save(ParseObject(name, {"state": "approved"}))

        cloud_code.define("save")(save)
        for answer in [
            app.parse.post(path, body, MASTER),
            app.parse.put(f"{path}/{row['objectId']}", body, MASTER),
            app.parse.delete(f"{path}/{row['objectId']}", MASTER),
            app.parse.post("/functions/save", {}, KEYS),
        ]:
            assert error(answer) == (119, sentence)
    assert app.parse.find("ModerationItem", by=MASTER) == [row]
