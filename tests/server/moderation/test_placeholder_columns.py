"""An object tells an app what to show while its image is pending, from the save on that sets it."""

from base64 import b64encode

import pytest
from image_host import MASTER, noise
from parse_app import error, outcome
from test_saves import ModeratedApp

from cloud.moderation.items import State
from config import SettingsError, load_settings
from ml_models.pictures import placeholder
from server.moderation.wiring import check_moderated_files

IMAGE, OTHER = noise(1), noise(2)
HASH = placeholder(IMAGE, 1_000_000)


class App(ModeratedApp):
    """A moderated app whose files are uploaded."""

    def __init__(self, parse):
        super().__init__(parse)
        self.services.classifier.warm_up()
        self.alice = parse.person("alice")

    def upload(self, data=IMAGE, by=None, name="a.jpg"):
        answer = self.parse.client.post(
            f"/parse/files/{name}", data=data, headers=(by or self.alice).headers
        )
        assert answer.status_code == 201, answer.json
        return {"__type": "File", **answer.json}

    def save(self, **columns):
        answer = self.parse.post("/classes/UserImage", columns, self.alice)
        assert answer.status_code == 201, answer.json
        return f"/classes/UserImage/{answer.json['objectId']}"

    def shown(self, path, name="placeholder"):
        return self.parse.get(path, self.alice).json.get(name)


@pytest.fixture
def on_each(parse_on_each):
    return App(parse_on_each)


@pytest.fixture
def app(parse):
    return App(parse)


def test_a_pending_image_has_its_placeholder_and_keeps_it(on_each):
    app = on_each
    path = app.save(image=app.upload())
    assert (app.shown(path), app.columns(path)["isSafe"]) == (HASH, False)
    assert app.parse.put(path, {"imageAuthor": "alice"}, app.alice).status_code == 200
    item = app.items()[0][0]["objectId"]
    app.moderation.decide(app.moderation.items.get(item), State.APPROVED)
    assert (app.shown(path), app.columns(path)["isSafe"]) == (HASH, True)


def test_placeholder_follows_the_file(on_each):
    app = on_each
    path = app.save(image=app.upload())
    assert app.parse.put(path, {"image": app.upload(OTHER)}, app.alice).status_code == 200
    assert app.shown(path) == placeholder(OTHER, 1_000_000)
    unknown = app.file("made-elsewhere.jpg")
    assert app.parse.put(path, {"image": unknown}, app.alice).status_code == 200
    assert app.shown(path) is None
    assert app.parse.put(path, {"image": app.upload()}, app.alice).status_code == 200
    assert app.shown(path) == HASH
    assert app.parse.put(path, {"image": {"__op": "Delete"}}, app.alice).status_code == 200
    assert app.shown(path) is None


def test_other_columns_have_placeholders_of_their_own(make_parse):
    app = App(make_parse(moderated_files="_User.avatar,Pet.photo"))
    me = f"/users/{app.alice.id}"
    assert app.parse.put(me, {"avatar": app.upload()}, app.alice).status_code == 200
    assert app.shown(me, "avatarPlaceholder") == HASH
    refused = app.parse.put(me, {"avatarPlaceholder": HASH}, app.alice)
    assert outcome(refused) == (400, 119)


@pytest.mark.parametrize("value", [HASH, 7, {"__op": "Delete"}])
def test_clients_cannot_write_it(app, value):
    path = app.save(image=app.upload())
    sentence = "placeholder is written by moderation alone."
    assert error(app.parse.put(path, {"placeholder": value}, app.alice)) == (119, sentence)
    assert app.shown(path) == HASH


def test_clients_cannot_make_objects_with_it(app):
    answer = app.parse.post("/classes/UserImage", {"placeholder": HASH}, app.alice)
    assert error(answer) == (119, "placeholder is written by moderation alone.")


def test_what_moderators_triggers_and_metadata_say_of_it_is_dropped(app, cloud_code):
    bob = app.parse.person("bob", isModerator=True)
    path = app.save(image=app.upload())
    for who in (bob, MASTER):
        assert app.parse.put(path, {"placeholder": "mine"}, who).status_code == 200
    assert app.shown(path) == HASH

    @cloud_code.before_save("UserImage")
    def change(request):
        request.object["placeholder"] = "mine"

    assert app.parse.put(path, {"imageAuthor": "alice"}, app.alice).status_code == 200
    assert app.shown(path) == HASH
    assert app.shown(app.save(image=app.upload(OTHER))) == placeholder(OTHER, 1_000_000)


def test_a_moderators_save_before_any_placeholder_is_read_all_the_same(app):
    path = app.save(image=app.file("a.jpg"))
    answer = app.parse.put(path, {"placeholder": "mine", "isSafe": True}, MASTER)
    assert answer.status_code == 200
    assert (app.shown(path), app.columns(path)["isSafe"]) == (None, True)


def test_a_client_that_may_add_no_columns_gets_it_too(parse):
    may = {name: {"*": True} for name in ("get", "find", "create", "update")}
    parse.declare("UserImage", {**may, "addField": {}})
    app = App(parse)
    assert app.shown(app.save(image=app.upload())) == HASH


def test_a_column_of_that_name_that_is_the_apps_own_is_left_alone(parse):
    parse.declare("UserImage", placeholder="Object")
    app = App(parse)
    path = app.save(image=app.upload(), placeholder={"mine": 1})
    assert app.parse.put(path, {"image": app.upload(OTHER)}, app.alice).status_code == 200
    assert app.shown(path) == {"mine": 1}
    assert app.parse.put(path, {"image": {"__op": "Delete"}}, app.alice).status_code == 200
    assert app.shown(path) == {"mine": 1}


def test_it_cannot_be_given_to_a_file_by_metadata(app):
    sent = {
        "_ApplicationId": "myAppId",
        "_JavaScriptKey": "myJsKey",
        "_SessionToken": app.alice.token,
        "base64": "AAAA",
        "_ContentType": "image/bmp",
        "fileData": {"metadata": {"_placeholder": HASH, "kept": "1"}},
    }
    answer = app.parse.client.post("/parse/files/note.jpg", json=sent)
    assert answer.status_code == 400  # no image
    sent["base64"] = b64encode(b"no image").decode()
    sent["_MasterKey"] = "myMasterKey"
    answer = app.parse.client.post("/parse/files/note.bin", json=sent)
    assert answer.status_code == 201, answer.json
    path = app.save(image={"__type": "File", "name": answer.json["name"]})
    assert app.shown(path) is None
    metadata = app.parse.client.get(f"/parse/files/myAppId/metadata/{answer.json['name']}")
    assert metadata.json == {"metadata": {"kept": "1"}}


def test_metadata_is_what_the_client_sent(app):
    name = app.upload()["name"]
    assert app.services.database.files.stat(name).metadata == {"_placeholder": HASH}
    assert app.parse.client.get(f"/parse/files/myAppId/metadata/{name}").json == {"metadata": {}}


def test_without_moderated_files_nothing_is_made(make_parse):
    app = App(make_parse(moderated_files={}))
    assert app.services.database.files.stat(app.upload()["name"]).metadata == {}


def test_a_moderated_file_cannot_be_in_anothers_placeholder():
    settings = load_settings(_env_file=None, moderated_files="Post.a,Post.aPlaceholder")
    with pytest.raises(SettingsError, match="aPlaceholder is another column already"):
        check_moderated_files(settings)
