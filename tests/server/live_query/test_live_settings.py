"""Which classes publish, and by what writes are carried, as the settings say."""

import pytest

from config import SettingsError, load_settings

REDIS, OTHER, RABBIT = "redis://one:6379/0", "rediss://:secret@two/1", "amqp://rabbit//"


def settings(**values):
    return load_settings(_env_file=None, **values)


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("Note", ("Note",)),
        (" Note , Chat.* ,", ("Note", "Chat.*")),
        ("none", ()),
    ],
)
def test_classes_are_a_list(text, classes):
    assert settings(live_query_classes=text).live_query_classes == classes


def test_a_fresh_clone_tells_of_images():
    assert settings().live_query_classes == ("UserImage",)


@pytest.mark.parametrize(
    ("broker", "own", "carries"),
    [
        ("", "", ""),
        (REDIS, "", REDIS),
        (RABBIT, "", ""),
        ("", OTHER, OTHER),
        (REDIS, OTHER, OTHER),
        (RABBIT, OTHER, OTHER),
    ],
)
def test_which_redis_carries_writes(broker, own, carries):
    found = settings(celery_broker_url=broker, live_query_redis_url=own)
    assert found.live_query_redis == carries
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("live_query_classes", "("),
        ("live_query_redis_url", RABBIT),
        ("live_query_redis_url", "redis:one"),
        ("live_query_redis_url", "redis://one/a b"),
    ],
)
def test_what_cannot_work_is_refused_by_name(name, value):
    with pytest.raises(SettingsError, match=name.upper()):
        settings(**{name: value})
