"""At which URLs files are read."""

import pytest

from config import SettingsError, load_settings
from server.files.urls import doubt_of_server_url, file_url, public_mount_url

RANDOM = "0123456789abcdef" * 2


def settings_with(**values):
    return load_settings(_env_file=None, **values)


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        (f"{RANDOM}_a.gif", f"{RANDOM}_a.gif"),
        ("a b@c~d.gif", "a%20b%40c~d.gif"),
        ("ü.gif", "%C3%BC.gif"),
        ("a/../b?c#d%e.gif", "a%2F..%2Fb%3Fc%23d%25e.gif"),
        ('"><script>', "%22%3E%3Cscript%3E"),
        ("!*'()", "!*'()"),
        ("albums/ü.gif", "albums/%C3%BC.gif"),
    ],
)
def test_url_encodes_the_name_as_javascript_does(name, encoded):
    settings = settings_with(local_files_url="https://f.example")
    assert file_url(settings, "https://a.example", name) == f"https://f.example/{encoded}"


@pytest.mark.parametrize(
    ("values", "prefix"),
    [
        ({}, "http://a.example/parse/files/myAppId/"),
        ({"local_files_url": "http://l.example/"}, "http://l.example/"),
        ({"production_files_url": "https://p.example/x/"}, "https://p.example/x/"),
        (
            {"local_files_url": "http://l.example", "production_files_url": "https://p.example"},
            "https://p.example/",
        ),
        (
            {"app_id": "my app/1", "master_key": "m"},
            "http://a.example/parse/files/my%20app%2F1/",
        ),
    ],
)
def test_files_lie_where_the_settings_say(values, prefix):
    assert file_url(settings_with(**values), "http://a.example/parse", "n") == f"{prefix}n"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("a.example", "https://a.example/1"),
        ("a_b.example:8080", "https://a_b.example:8080/1"),
        ("127.0.0.1:1337", "https://127.0.0.1:1337/1"),
        ("[::1]:1337", "https://[::1]:1337/1"),
        ("", "https://localhost:1337/1"),
        ("a.example/..", "https://localhost:1337/1"),
        ("a.example@evil.example", "https://localhost:1337/1"),
        ("a.example:80:80", "https://localhost:1337/1"),
        ('"><script>', "https://localhost:1337/1"),
        ("a.example\n", "https://localhost:1337/1"),
        ("a" * 254, "https://localhost:1337/1"),
    ],
)
def test_mount_is_at_the_host_that_the_request_names_if_it_can_be_one(host, url):
    assert public_mount_url(settings_with(), "https", host, "/1") == url


def test_server_url_wins_over_the_request():
    settings = settings_with(server_url="https://api.example/parse/")
    assert public_mount_url(settings, "http", "b.example", "/1") == "https://api.example/parse"


@pytest.mark.parametrize("name", ["server_url", "local_files_url", "production_files_url"])
@pytest.mark.parametrize(
    "value",
    ["a.example", "ftp://a.example", "https://", "https://a.example/?x", "https://a.example/#x",
     "https://u:p@a.example/", "https://a b.example/", "javascript:alert(1)"],
)  # fmt: skip
def test_setting_that_is_no_plain_url_is_refused(name, value):
    with pytest.raises(SettingsError, match=f"{name.upper()}: must be a URL"):
        settings_with(**{name: value})


def test_words_of_upload_settings_are_checked():
    settings = settings_with(file_upload_from="Users, public", file_upload_extensions="JPG,pdf, *")
    assert settings.file_upload_from == {"users", "public"}
    assert settings.file_upload_extensions == {"jpg", "pdf", "*"}
    with pytest.raises(SettingsError, match="FILE_UPLOAD_EXTENSIONS"):
        settings_with(file_upload_extensions=".jpg")
    with pytest.raises(SettingsError, match="FILE_UPLOAD_FROM"):
        settings_with(file_upload_from="strangers")


@pytest.mark.parametrize(
    ("values", "is_doubted"),
    [
        ({}, False),
        ({"server_url": "https://a.example/parse"}, False),
        ({"server_url": "https://a.example/parse/"}, False),
        ({"server_url": "https://a.example/Images/Parse"}, False),
        ({"server_url": "https://a.example/1"}, False),
        ({"server_url": "https://a.example/my/api", "parse_mount": "/my/api"}, False),
        ({"server_url": "https://a.example"}, True),
        ({"server_url": "https://a.example/"}, True),
        ({"server_url": "https://a.example/parse", "parse_mount": "/my/api"}, True),
    ],
)
def test_an_address_that_ends_in_no_mount_is_doubted(values, is_doubted):
    assert (doubt_of_server_url(settings_with(**values)) is not None) is is_doubted
