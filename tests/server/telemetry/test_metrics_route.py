"""`/metrics` tells what happened, to whom it may."""

import json
import re

import pytest
from image_host import KEYS, MASTER, noise
from running_server import REPOSITORY

from config import load_settings


def figures(client, **headers):
    """The figures by name and labels, as Prometheus reads them."""
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_classification_is_counted_with_each_of_its_stages(client):
    image = noise(71)
    client.post("/api/image/classify", data=image)
    client.post("/api/image/classify", data=image)
    found = figures(client)
    assert found['parsewarden_classifications_total{outcome="review",recorded="new"}'] == 1
    assert found['parsewarden_classifications_total{outcome="review",recorded="again"}'] == 1
    for stage, times in [("decode", 1), ("prepare", 1), ("model", 1), ("record", 2)]:
        assert found[f'parsewarden_stage_seconds_count{{stage="{stage}"}}'] == times
    assert found['parsewarden_stage_seconds_sum{stage="model"}'] > 0


def test_refused_fetches_are_counted_by_reason(client):
    client.get("/api/image/classify?url=http://127.0.0.1/x.jpg")
    client.get("/api/image/classify?url=http://nowhere.invalid/x.jpg")
    found = figures(client)
    assert found['parsewarden_fetches_total{result="AddressRefused"}'] == 1
    assert found['parsewarden_fetches_total{result="UpstreamFailed"}'] == 1


def test_damaged_images_are_counted_by_error(client):
    client.post("/api/image/classify", data=b"no image")
    assert figures(client)['parsewarden_image_errors_total{error="UnsupportedImage"}'] == 1


def test_queue_and_decisions_are_told(app, client):
    name = client.post("/parse/files/a.jpg", data=noise(72), headers={**MASTER}).json["name"]
    file = {"__type": "File", "name": name}
    client.post("/parse/classes/UserImage", json={"image": file}, headers=KEYS)
    app.extensions["parsewarden"].dispatch.close()  # once what it has is done
    found = figures(client)
    assert found['parsewarden_decisions_total{by="rules",state="review"}'] == 1
    assert found['parsewarden_queue_items{queue="review"}'] == 1
    assert found['parsewarden_queue_items{queue="pending"}'] == 0
    assert found['parsewarden_queue_oldest_seconds{queue="review"}'] > 0
    assert (found["parsewarden_model_ready"], found["parsewarden_database_ready"]) == (1, 1)


def test_database_away_is_told_and_the_rest_too(make_app, tmp_path):
    client = make_app(data_dir=tmp_path / "nowhere").test_client()
    found = figures(client)
    assert found["parsewarden_database_ready"] == 0
    assert "parsewarden_busy_total" in found


STRANGER = {"REMOTE_ADDR": "203.0.113.9"}


def test_strangers_learn_nothing(client):
    answer = client.get("/metrics", environ_base=STRANGER)
    assert answer.status_code == 403
    assert b"parsewarden" not in answer.data


@pytest.mark.parametrize(
    ("given", "status"),
    [("Bearer secret", 200), ("Bearer wrong", 403), ("secret", 200), ("Bearer ", 403), ("", 403)],
)
def test_token_opens_from_anywhere(make_app, given, status):
    client = make_app(metrics_token="secret").test_client()
    answer = client.get("/metrics", environ_base=STRANGER, headers={"Authorization": given})
    assert answer.status_code == status


def test_without_a_token_none_opens(make_app):
    client = make_app().test_client()
    answer = client.get("/metrics", environ_base=STRANGER, headers={"Authorization": "Bearer "})
    assert answer.status_code == 403


def test_networks_are_settings(make_app):
    client = make_app(metrics_ips="203.0.113.0/24").test_client()
    assert client.get("/metrics", environ_base=STRANGER).status_code == 200
    assert client.get("/metrics").status_code == 403


def test_dashboard_and_docs_name_figures_that_there_are(client):
    client.post("/api/image/classify", data=noise(76))
    told = set(re.findall(r"^# TYPE (\w+)", client.get("/metrics").text, re.MULTILINE))
    # These have no value before the first of their kind.
    assert len([name for name in told if name.startswith("parsewarden_")]) >= 12
    for name in ("grafana.json", "operations.md"):
        text = (REPOSITORY / "docs" / name).read_text()
        named = set(re.findall(r"parsewarden_[a-z_]+", text))
        assert {re.sub("_bucket$", "", n) for n in named} <= told
        assert len(named) >= 8
    assert json.loads((REPOSITORY / "docs" / "grafana.json").read_text())["panels"]


def test_nobody_else_is_let_in_by_default():
    assert [str(n) for n in load_settings(_env_file=None).metrics_ips] == [
        "127.0.0.1/32",
        "::1/128",
    ]
