"""The cloud functions for apps: where an image stands, and an owner's appeal."""

import pytest
from image_host import KEYS, MASTER
from parse_app import error, outcome
from test_saves import ModeratedApp

from cloud.moderation.items import State
from cloud.operations import Set
from server.moderation.items import ITEM
from server.moderation.subjects import subject_schema
from server.storage.port import Equals, Query

NOT_FOUND = (404, {"code": 101, "error": "Object not found."})
AUTOMATIC = "This image was rejected automatically, because it seems to break the rules."


class App(ModeratedApp):
    """A moderated app whose people call the functions."""

    def __init__(self, parse):
        super().__init__(parse)
        self.alice, self.charlie = parse.person("alice"), parse.person("charlie")

    def judged(self, data=b"0.9", by=None, **columns):
        """An image of alice's that the rules have judged; returns its objectId."""
        path = self.image(data=data, by=by or self.alice, **columns)
        self.judge()
        return path.rpartition("/")[2]

    def status(self, object_id, by=None, **params):
        return self.call("moderationStatus", by, objectId=object_id, **params)

    def appeal(self, object_id, by=None, text="It is art.", **params):
        return self.call("moderationAppeal", by, objectId=object_id, text=text, **params)

    def call(self, function, by, **params):
        given = {name: value for name, value in params.items() if value is not None}
        return self.parse.post(f"/functions/{function}", given, by)

    def item_of(self, object_id):
        where = Equals("subjectId", object_id)
        (row,) = self.moderation.objects.find(ITEM, Query(where))
        return row


@pytest.fixture
def on_each(parse_on_each):
    return App(parse_on_each)


@pytest.fixture
def app(parse):
    return App(parse)


def standing(state, reason=None, appealed=False, canAppeal=False):
    return {"state": state, "reason": reason, "appealed": appealed, "canAppeal": canAppeal}


def result(answer):
    assert answer.status_code == 200, answer.json
    return answer.json["result"]


# --- moderationStatus -----------------------------------------------------------------------------


def test_status_follows_an_image_from_upload_to_the_end_of_its_appeal(on_each):
    app, alice = on_each, on_each.alice
    path = app.image(data=b"0.9", by=alice)
    image = path.rpartition("/")[2]
    assert result(app.status(image, alice)) == standing("pending")
    app.judge()
    assert result(app.status(image, alice)) == standing("rejected", AUTOMATIC, canAppeal=True)
    assert result(app.status(image, app.charlie)) == standing("rejected", AUTOMATIC)
    assert result(app.status(image)) == standing("rejected", AUTOMATIC)
    again = "A moderator will look at this image again, because of an appeal."
    appealed = standing("review", again, appealed=True)
    assert result(app.appeal(image, alice, text="  It is art.\n")) == appealed
    assert app.columns(path)["moderationRequired"] is True
    assert app.item_of(image)["appeal"] == "It is art."
    assert result(app.status(image, alice)) == appealed
    bob = app.parse.person("bob", isModerator=True)
    assert app.parse.put(path, {"isSafe": True}, bob).status_code == 200
    assert result(app.status(image, alice)) == standing("approved", appealed=True)
    assert app.log(path)[1:] == [
        ("rejected", "review", f"owner:{alice.id}"),
        ("review", "approved", f"user:{bob.id}"),
    ]


def test_an_image_in_another_column_is_named_by_class_and_column(make_parse):
    app = App(make_parse(moderated_files="_User.avatar"))
    me = f"/users/{app.alice.id}"
    assert app.parse.put(me, {"avatar": app.file("me.jpg", b"0.9")}, app.alice).status_code == 200
    app.judge()
    named = {"className": "_User", "column": "avatar"}
    assert result(app.status(app.alice.id, app.alice, **named))["canAppeal"] is True
    assert result(app.appeal(app.alice.id, app.alice, **named))["state"] == "review"


def test_unknown_and_unreadable_objects_are_answered_alike(on_each):
    app = on_each
    secret = app.judged(ACL={app.alice.id: {"read": True, "write": True}})
    assert result(app.status(secret, app.alice))["state"] == "rejected"
    for function in (app.status, app.appeal):
        for who in (app.charlie, None):
            for object_id in (secret, "nothing"):
                answer = function(object_id, who)
                assert (answer.status_code, answer.json) == NOT_FOUND
    assert result(app.status(secret, MASTER))["canAppeal"] is True


def test_class_level_permissions_hold(parse):
    parse.declare("UserImage", {"create": {"*": True}, "addField": {"*": True}})
    app = App(parse)
    image = app.judged()
    assert result(app.status(image, MASTER))["state"] == "rejected"
    known, unknown = app.status(image, app.alice), app.status("nothing", app.alice)
    assert outcome(known) == (400, 119)
    assert known.json == unknown.json


def test_bad_questions_are_told_what_is_wrong(app):
    image = app.judged()
    empty = app.parse.create("UserImage", {"imageAuthor": "alice"}, app.alice)
    for params, message in [
        ({"objectId": None}, "Validation failed. objectId must be a text."),
        ({"objectId": {"$ne": "x"}}, "Validation failed. objectId must be a text."),
        ({"className": 7}, "Validation failed. className must be a text."),
        ({"column": ""}, "Validation failed. column must be a text."),
        ({"column": "avatar"}, "UserImage.avatar is not moderated."),
        ({"className": "ModerationItem"}, "ModerationItem.image is not moderated."),
        ({"objectId": empty}, "There is no image in image."),
    ]:
        asked = {"objectId": image, **params}
        answer = app.call("moderationStatus", app.alice, **asked)
        assert (outcome(answer), error(answer)[1]) == ((400, 142), message)


@pytest.mark.parametrize(
    ("columns", "state"),
    [
        (
            {"isSafe": True, "NSFWPredictions": [{"className": "Neutral", "probability": 1}]},
            "approved",
        ),
        ({"isSafe": True}, "pending"),
        ({"isSafe": True, "NSFWPredictions": []}, "pending"),
        ({"deleted": True}, "rejected"),
        ({"moderationRequired": True}, "review"),
        ({}, "pending"),
    ],
)
def test_an_image_from_before_moderation_is_what_its_columns_say(app, columns, state):
    path = app.image()
    image = path.rpartition("/")[2]
    schema = subject_schema("UserImage", "image")
    row = app.moderation.objects.get(schema, image)
    app.moderation.objects.delete(schema, Equals("objectId", image))
    app.moderation.objects.delete(ITEM, Equals("subjectId", image))
    kept = {name: row[name] for name in ("objectId", "createdAt", "updatedAt", "image")}
    app.moderation.objects.insert(schema, kept | columns)
    assert result(app.status(image, app.alice)) == standing(state)
    assert outcome(app.appeal(image, MASTER)) == (400, 141)


def test_whoever_may_not_see_the_columns_is_not_told_by_the_function(parse):
    open_to_all = {name: {"*": True} for name in ("get", "find", "create", "addField")}
    parse.declare("UserImage", {**open_to_all, "protectedFields": {"*": ["deleted"]}})
    app = App(parse)
    image = app.judged()
    answer = app.status(image, app.charlie)
    assert (answer.status_code, answer.json) == NOT_FOUND
    assert result(app.status(image, MASTER))["state"] == "rejected"


def test_the_reason_is_a_moderators_category_in_the_owners_words(app):
    image = app.judged(b"0.5")
    reasons = [{"code": "cats", "label": "Pictures of cats"}]
    assert app.parse.put("/config", {"params": {"moderationReasons": reasons}}, MASTER).json
    item = app.moderation.items.get(app.item_of(image)["objectId"])
    app.services.pipeline.decide(
        item,
        State.REJECTED,
        decided_by="user:bob",
        reasons=("Porn 0.5000 is from 0.4 to 0.8",),
    )
    where = Equals("objectId", item.item_id)
    app.moderation.objects.update(ITEM, where, {"category": Set("cats"), "note": Set("ugly")})
    told = result(app.status(image, app.charlie))
    assert told == standing("rejected", "A moderator rejected this image: Pictures of cats.")


# --- moderationAppeal -----------------------------------------------------------------------------


def test_only_the_owner_and_the_master_key_are_heard(app):
    image = app.judged()
    sentence = "Only the owner of an image can appeal."
    for stranger in (app.charlie, None):
        answer = app.appeal(image, stranger)
        assert (outcome(answer), answer.json["error"]) == ((400, 119), sentence)
    assert result(app.appeal(image, MASTER))["state"] == "review"


def test_the_read_only_master_key_cannot_appeal(make_parse):
    app = App(make_parse(read_only_master_key="looking"))
    image = app.judged()
    looking = {**KEYS, "X-Parse-Master-Key": "looking"}
    assert result(app.status(image, looking))["state"] == "rejected"
    assert outcome(app.appeal(image, looking)) == (400, 119)
    assert result(app.status(image, app.alice))["appealed"] is False


@pytest.mark.parametrize("text", [None, "", "  \n ", "x" * 2001, 7, ["x"]])
def test_a_text_is_needed_and_bounded(app, text):
    image = app.judged()
    answer = app.appeal(image, app.alice, text=text)
    sentence = "Validation failed. text must be 1 to 2000 characters."
    assert (outcome(answer), answer.json["error"]) == ((400, 142), sentence)
    assert result(app.appeal(image, app.alice, text=" " + "x" * 2000))["appealed"] is True


def test_there_is_one_appeal_against_a_decision(on_each):
    app = on_each
    image = app.judged()
    assert app.appeal(image, app.alice).status_code == 200
    second = app.appeal(image, app.alice)
    waiting = "An appeal was made already, and waits for a moderator."
    assert (outcome(second), second.json["error"]) == ((400, 141), waiting)
    bob = app.parse.person("bob", isModerator=True)
    path = f"/classes/UserImage/{image}"
    assert app.parse.put(path, {"deleted": True}, bob).status_code == 200
    third = app.appeal(image, app.alice)
    assert "that decision is final" in third.json["error"]
    told = result(app.status(image, app.alice))
    assert told == standing("rejected", "A moderator rejected this image.", appealed=True)
    for change in ({"isSafe": True}, {"deleted": True}):
        assert app.parse.put(path, change, bob).status_code == 200
    assert result(app.appeal(image, app.alice))["state"] == "review"


def test_a_moderators_save_goes_over_an_appeal_that_was_faster(app, monkeypatch):
    image = app.judged()
    bob = app.parse.person("bob", isModerator=True)
    pipelines = type(app.services.pipeline)
    decide = pipelines.decide

    def meanwhile(pipeline, *arguments, **options):
        monkeypatch.setattr(pipelines, "decide", decide)
        assert app.appeal(image, app.alice).status_code == 200
        return decide(pipeline, *arguments, **options)

    monkeypatch.setattr(pipelines, "decide", meanwhile)
    answer = app.parse.put(f"/classes/UserImage/{image}", {"isSafe": True}, bob)
    assert answer.status_code == 200, answer.json
    assert result(app.status(image, app.alice)) == standing("approved", appealed=True)
