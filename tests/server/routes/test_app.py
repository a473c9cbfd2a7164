"""What holds for every answer: CORS, health, JSON, the settings that are refused."""

import io

import pytest
from image_host import KEYS

from config import SettingsError, load_settings
from server.app import create_app


@pytest.mark.parametrize("path", ["/health", "/parse/health", "/1/Health", "/PARSE/health/"])
def test_health_needs_no_key(client, path):
    assert client.get(path).json == {"status": "ok"}


def test_health_says_what_is_missing(make_app, tmp_path):
    client = make_app(models_dir=tmp_path / "models", data_dir=tmp_path / "nowhere").test_client()
    response = client.get("/health")
    assert response.status_code == 503
    assert response.json == {
        "status": "error",
        "problems": ["model not ready", "database not reachable", "data folder not writable"],
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/health"),
        ("GET", "/nope"),
        ("POST", "/parse/functions/nope"),
        ("POST", "/parse/functions/x/y/z"),
        ("GET", "/api/image/classify"),
        ("DELETE", "/api/image/classify"),
        ("OPTIONS", "/parse/functions/nope"),
        ("OPTIONS", "/anything"),
    ],
)
def test_every_answer_lets_browsers_in(client, method, path):
    headers = client.open(path, method=method, headers={"Origin": "http://a.example"}).headers
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert "X-Parse-Client-Key" in headers["Access-Control-Allow-Headers"]
    assert headers["Access-Control-Expose-Headers"].split(", ") == [
        "X-Parse-Job-Status-Id",
        "X-Parse-Push-Status-Id",
    ]


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST"])
@pytest.mark.parametrize("path", ["/admin/", "/admin/sign-in", "/admin/review"])
def test_the_panel_is_for_its_own_pages(client, method, path):
    headers = client.open(path, method=method, headers={"Origin": "http://a.example"}).headers
    assert not [name for name, _ in headers if name.startswith("Access-Control")]


def test_preflight_needs_no_key(client):
    response = client.options("/parse/functions/nsfwImageClassify")
    assert (response.status_code, response.data) == (200, b"OK")


def test_unforeseen_error_is_500_without_detail(app, caplog):
    app.add_url_rule("/boom", "boom", lambda: 1 / 0)
    response = app.test_client().get("/boom")
    assert response.status_code == 500
    assert response.json == {"code": 1, "message": "Internal server error."}
    assert "ZeroDivisionError" in caplog.text


def test_root_says_what_to_try_without_the_operators_keys(make_app, client):
    assert "myRestKey" in client.get("/").text
    assert "python" not in client.get("/").text, "nor where on its machine the server is"
    own = make_app(app_id="mine", rest_api_key="secret1", master_key="secret2").test_client()
    assert "secret" not in own.get("/").text
    half = make_app(app_id="mine", rest_api_key="secret1", master_key="myMasterKey").test_client()
    assert "secret" not in half.get("/").text


def test_cloud_code_of_ones_own_is_loaded(make_app, tmp_path):
    main = tmp_path / "my_cloud.py"
    main.write_text(
        "from cloud.code import cloud\n"
        "@cloud.define('ownFunction')\n"
        "def own(request):\n"
        "    return 'mine'\n"
    )
    client = make_app(cloud_code_main=str(main)).test_client()
    response = client.post("/parse/functions/ownFunction", headers=KEYS)
    assert response.json == {"result": "mine"}
    response = client.post("/parse/functions/nsfwImageClassify", headers=KEYS)
    assert response.json["code"] == 142, "ours is there as well"


def test_originals_cloud_code_setting_is_no_obstacle(make_app):
    make_app(cloud_code_main="/app/cloud/main.js")


@pytest.mark.parametrize(
    "setting",
    [
        {"cloud_code_main": "nowhere.py"},
        {"database_uri": "postgres://a/b"},
        {"database_uri": "mongodb://a:b:c/d"},
        {"image_fetch_allow": "http://a.example/"},
    ],
)
def test_setting_that_cannot_work_is_refused_at_start(setting):
    with pytest.raises(SettingsError):
        create_app(load_settings(_env_file=None, **setting))


def test_health_answers_the_javascript_sdk_too(client):
    answer = client.post("/parse/health", json={"_method": "GET", "_ApplicationId": "myAppId"})
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


def test_chunked_form_beyond_the_limit_is_refused_before_it_is_kept(make_app):
    client = make_app(max_image_bytes=1000).test_client()
    form = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n'
    body = io.BytesIO(form + b"a" * 200_000 + b"\r\n--x--\r\n")
    environ = {"wsgi.input_terminated": True}
    answer = client.post(
        "/parse/functions/x",
        input_stream=body,
        content_type="multipart/form-data; boundary=x",
        environ_overrides=environ,
    )
    assert answer.status_code == 413
