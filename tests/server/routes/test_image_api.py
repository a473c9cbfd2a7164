"""The plain routes: no key, no SDK, real statuses."""

import base64
import io
import threading

import pytest
from image_host import ASTRONAUT, MASTER, noise
from PIL import Image

from cloud.moderation.errors import ModerationError
from cloud.moderation.policy import InvalidPolicy
from cloud.moderation.predictions import to_objects
from ml_models.errors import ClassifierBusy, ImageError, MlModelsError
from server.parse import errors as parse_errors
from server.routes import image_api

CLASSIFY = "/api/image/classify"
IS_SAFE = "/api/image/is_safe"


def assert_astronaut(response):
    assert response.status_code == 200
    assert len(response.json) == 5
    assert response.json[0]["className"] == "Neutral"
    assert response.json[0]["probability"] == pytest.approx(0.9377, abs=0.001)


@pytest.mark.parametrize("path", [CLASSIFY, "/API/Image/classify", "/api/image/classify/"])
def test_url_is_classified_to_a_bare_array(client, image_host, path):
    assert_astronaut(client.get(path, query_string={"url": f"{image_host}/astronaut.png"}))


def test_head_answers_without_a_body(client, image_host):
    response = client.head(CLASSIFY, query_string={"url": f"{image_host}/astronaut.png"})
    assert (response.status_code, response.data) == (200, b"")


@pytest.mark.parametrize("name", ["file", "image"])
def test_multipart_file_of_any_name_is_classified(client, name, recorded):
    image = noise(4)
    response = client.post(CLASSIFY, data={name: (io.BytesIO(image), "a.jpg")})
    assert response.status_code == 200
    assert to_objects(recorded(image).predictions) == response.json


def test_several_files_are_refused_because_one_verdict_would_cover_all(client):
    files = {"a": (io.BytesIO(noise(1)), "a.jpg"), "b": (io.BytesIO(noise(2)), "b.jpg")}
    assert client.post(IS_SAFE, data=files).status_code == 400


def test_every_error_on_purpose_has_a_status():
    def leaves(kind):
        return [kind, *(leaf for child in kind.__subclasses__() for leaf in leaves(child))]

    general = {ModerationError, MlModelsError, ImageError, InvalidPolicy}
    for kind in {*leaves(ModerationError), *leaves(MlModelsError)} - general:
        assert any(issubclass(kind, known) for known, _ in image_api._STATUSES), kind
        assert any(issubclass(kind, known) for known, _ in parse_errors._CODES), kind


@pytest.mark.parametrize("content_type", ["image/png", "application/octet-stream", None])
def test_raw_body_is_classified(client, content_type):
    assert_astronaut(client.post(CLASSIFY, data=ASTRONAUT, content_type=content_type))


def test_json_body_is_classified(client, image_host):
    assert_astronaut(client.post(CLASSIFY, json={"base64": base64.b64encode(ASTRONAUT).decode()}))
    assert_astronaut(client.post(CLASSIFY, json={"url": f"{image_host}/astronaut.png"}))


@pytest.mark.parametrize(
    ("url", "status"),
    [
        (None, 400),
        ("", 400),
        ("hello", 400),
        ("ftp://a.example/x", 400),
        ("http://127.0.0.1/x.png", 400),
        ("http://169.254.169.254/latest/meta-data/", 400),
        ("{host}/inside", 400),
        ("{host}/nothere.png", 502),
        ("{host}/broken", 502),
        ("{host}/empty.jpg", 502),
        ("{host}/slow", 504),
        ("{host}/text.txt", 415),
        ("{host}/truncated.png", 422),
    ],
)
@pytest.mark.parametrize("path", [CLASSIFY, IS_SAFE])
def test_failure_is_a_real_status_and_a_sentence(client, image_host, path, url, status):
    query = {} if url is None else {"url": url.format(host=image_host)}
    response = client.get(path, query_string=query)
    assert response.status_code == status
    assert set(response.json) == {"error"}
    assert response.json["error"].endswith(".")


def test_upload_that_is_too_large_is_413(make_app):
    client = make_app(max_image_bytes=200_000).test_client()
    assert client.post(CLASSIFY, data=bytes(200_001)).status_code == 413
    response = client.post(CLASSIFY, data=bytes(400_000))
    assert response.status_code == 413
    assert response.json["error"]


def test_too_many_pixels_are_413(make_app):
    client = make_app(max_image_pixels=1000).test_client()
    assert client.post(CLASSIFY, data=ASTRONAUT).status_code == 413


@pytest.mark.parametrize(
    "arguments",
    [
        {"data": b""},
        {"data": {}},
        {"json": {}},
        {"json": {"base64": "x", "url": "y"}},
        {"data": b'{"base64":'},
        {"data": {"note": "no file"}, "content_type": "multipart/form-data"},
        {"json": {"base64": "###"}},
        {"json": {"url": 5}},
    ],
)
def test_upload_without_an_image_is_400(client, arguments):
    response = client.post(CLASSIFY, **arguments)
    assert response.status_code == 400
    assert response.json["error"]


def test_missing_model_is_503_with_retry_after(make_app, tmp_path):
    client = make_app(models_dir=tmp_path / "models").test_client()
    response = client.post(CLASSIFY, data=ASTRONAUT)
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"
    assert "model" in response.json["error"]


def test_database_away_is_503_with_retry_after(make_app, tmp_path):
    client = make_app(data_dir=tmp_path / "nowhere").test_client()
    response = client.post(CLASSIFY, data=noise(5))
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"


def test_full_server_says_busy_at_once(make_app, image_host):
    app = make_app(classify_permits=1, classify_max_waiting=1, image_fetch_timeout=3.0)
    slow = [
        threading.Thread(target=app.test_client().get, args=[f"{CLASSIFY}?url={image_host}/slow"])
        for _ in range(2)
    ]
    for thread in slow:
        thread.start()
    statuses = set()
    while 503 not in statuses and any(thread.is_alive() for thread in slow):
        response = app.test_client().post(CLASSIFY, data=noise(6))
        statuses.add(response.status_code)
    for thread in slow:
        thread.join()
    assert 503 in statuses
    assert response.json["error"] == ClassifierBusy.public_message
    assert app.test_client().post(CLASSIFY, data=noise(6)).status_code == 200


def test_image_is_safe_by_the_moderation_scores(client, image_host):
    def scores(value):
        body = {"params": {"moderationScores": value}}
        assert client.put("/parse/config", json=body, headers=MASTER).status_code == 200

    def answer():
        response = client.get(IS_SAFE, query_string={"url": f"{image_host}/astronaut.png"})
        assert response.status_code == 200
        assert set(response.json) == {"predictions", "isSafe", "isToxic"}
        assert response.json["predictions"][0]["className"] == "Neutral"
        return response.json["isSafe"], response.json["isToxic"]

    assert answer() == (False, False), "nothing is safe while there is no policy"
    scores({"Porn": {"min": 0.4, "max": 0.8}})
    assert answer() == (True, False)
    scores({"Neutral": {"min": 0.9, "max": 0.95}})
    assert answer() == (False, False)
    scores({"Neutral": {"min": 0.1, "max": 0.5}})
    assert answer() == (False, True)


def test_animation_is_not_safe_for_its_first_frame(client):
    body = {"params": {"moderationScores": {"Porn": {"min": 0.4, "max": 0.8}}}}
    assert client.put("/parse/config", json=body, headers=MASTER).status_code == 200
    with Image.open(io.BytesIO(ASTRONAUT)) as image:
        first, later = image.convert("P"), image.rotate(90).convert("P")
    still, moving = io.BytesIO(), io.BytesIO()
    first.save(still, "GIF")
    first.save(moving, "GIF", save_all=True, append_images=[later])
    assert client.post(IS_SAFE, data=still.getvalue()).json["isSafe"]
    answer = client.post(IS_SAFE, data=moving.getvalue()).json
    assert (answer["isSafe"], answer["isToxic"]) == (False, False)


def test_what_only_a_dark_page_shows_is_not_safe(client):
    with Image.open(io.BytesIO(ASTRONAUT)) as image:
        shown = image.convert("L")
    sheet = Image.new("RGBA", shown.size, "white")
    sheet.putalpha(shown)
    on_white, on_black = scores_of(client, sheet), scores_of(client, shown)
    assert on_white == scores_of(client, Image.new("RGB", shown.size, "white"))
    label = max(on_white, key=lambda name: on_black[name] - on_white[name])
    between = (on_white[label] + on_black[label]) / 2
    body = {"params": {"moderationScores": {label: {"min": between, "max": between}}}}
    assert client.put("/parse/config", json=body, headers=MASTER).status_code == 200
    answer = client.post(IS_SAFE, data=png(sheet)).json
    assert (answer["isSafe"], answer["isToxic"]) == (False, True)
    assert client.post(IS_SAFE, data=png(sheet.convert("RGB"))).json["isSafe"]


def scores_of(client, image):
    answer = client.post(CLASSIFY, data=png(image)).json
    return {found["className"]: found["probability"] for found in answer}


def png(image):
    encoded = io.BytesIO()
    image.save(encoded, "PNG")
    return encoded.getvalue()


def test_unknown_route_is_a_json_404(client):
    response = client.get("/api/image/nope")
    assert response.status_code == 404
    assert response.json["error"]
