"""Columns that clients made before their class was moderated, of a type that moderation cannot use.

They must not stop the server, nor let an image by.
"""

import pytest
from image_host import MASTER, noise
from parse_app import outcome
from test_saves import ModeratedApp

from server.parse.errors import ParseError


@pytest.fixture
def app(make_parse, database_uri):
    """Post.photo is to be moderated, but a client was faster."""
    settings = {"database_uri": database_uri}
    parse = make_parse(**settings)
    assert parse.post("/classes/Post", {"photoIsSafe": "yes", "title": "Hi"}).status_code == 201
    moderated = make_parse(moderated_files="UserImage.image,Post.photo", **settings)
    return ModeratedApp(moderated)


def test_their_class_is_refused_and_no_other(app, caplog):
    for answer in [
        app.parse.post("/classes/Post", {"photo": app.file("a.jpg")}),
        app.parse.post("/classes/Post", {"title": "Ho"}, MASTER),
        app.parse.put(f"/classes/Post/{app.parse.find('Post')[0]['objectId']}", {"title": "Ho"}),
    ]:
        assert outcome(answer) == (400, 111)
        assert answer.json["error"].startswith("Post cannot be saved: ")
    assert "Post.photoIsSafe" in caplog.text
    assert [post["title"] for post in app.parse.find("Post")] == ["Hi"]
    assert app.parse.post("/classes/Note", {"text": "Hi"}).status_code == 201
    assert app.parse.post("/users", {"username": "ann", "password": "x"}).status_code == 201
    path = app.image(data=noise(1))
    assert app.columns(path)["isSafe"] is False


def test_nor_are_old_images_of_the_class_moderated(app):
    app.services.objects.prepare()
    with pytest.raises(ParseError, match="Post cannot be saved"):
        app.services.objects.check_fit("Post")
