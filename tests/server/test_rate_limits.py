"""Rate limits: who is counted by what, what is said beyond, and that a store may be away."""

import time
from datetime import timedelta

import pytest
from image_host import KEYS, MASTER
from running_server import free_port

from cloud.code import RateLimit, Validator
from config import SettingsError, load_settings
from server.rate_limits import parse_rules
from server.wiring import check_settings

NEAR, FAR = "203.0.113.5", "198.51.100.7"
MINUTE = timedelta(minutes=1)
REFUSED = {"code": 100, "error": "Too many requests."}


class Phone:
    """Calls an app from one address; answers a status."""

    def __init__(self, parse, ip=NEAR, headers=KEYS):
        self.parse, self.ip, self.headers = parse, ip, headers

    def send(self, method, path, body=None, mount="/parse", **more):
        return self.parse.client.open(
            f"{mount}{path}",
            method=method,
            json=body if body is not None else {},
            headers={**self.headers, **more},
            environ_base={"REMOTE_ADDR": self.ip},
        )

    def run(self, name="f", times=1):
        return [self.send("POST", f"/functions/{name}").status_code for _ in range(times)]


@pytest.fixture
def define(cloud_code):
    """Define the function `f` with a rate limit of two a minute."""

    def make(**options):
        limit = RateLimit(2, MINUTE, **options)
        cloud_code.define("f", Validator(rate_limit=limit))(lambda request: 1)

    return make


# --- of cloud code --------------------------------------------------------------------------------


def test_a_function_is_refused_beyond_its_limit(parse, define):
    define()
    phone = Phone(parse)
    assert phone.run(times=2) == [200, 200]
    answer = phone.send("POST", "/functions/f")
    assert (answer.status_code, answer.json) == (429, REFUSED)
    assert 0 < int(answer.headers["Retry-After"]) <= 61
    assert phone.run("other") == [400]
    assert Phone(parse, FAR).run() == [200]


def test_the_root_and_every_mount_count_together(parse, define):
    define()
    phone = Phone(parse)
    answers = [phone.send("POST", "/functions/f", mount=m) for m in ("/parse", "/1", "")]
    assert [answer.status_code for answer in answers] == [200, 200, 429]


def test_a_window_ends(parse, cloud_code):
    limit = RateLimit(1, timedelta(seconds=1))
    cloud_code.define("f", Validator(rate_limit=limit))(lambda request: 1)
    phone = Phone(parse)
    phone.run(times=2)
    time.sleep(1.1)
    assert phone.run() == [200]


def test_the_message_is_the_apps(parse, define):
    define(error_response_message="Slowly.")
    phone = Phone(parse)
    phone.run(times=2)
    assert phone.send("POST", "/functions/f").json == {"code": 100, "error": "Slowly."}


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("ip", [429, 429, 200]),
        ("user", [429, 200, 429]),
        ("session", [200, 200, 429]),
        ("global", [429, 429, 429]),
    ],
)
def test_a_zone_says_whose_calls_count_together(parse, define, zone, expected):
    define(zone=zone)
    alice, bob = parse.person("alice"), parse.person("bob")
    phone = Phone(parse, headers=alice.headers)
    assert phone.run(times=2) == [200, 200]
    again = {**KEYS, "X-Parse-Session-Token": parse.session_of(alice.id)}
    answers = [Phone(parse, headers=again).run(), Phone(parse, headers=bob.headers).run()]
    answers.append(Phone(parse, FAR, headers=alice.headers).run())
    assert [status for (status,) in answers] == expected


def test_who_is_not_logged_in_counts_by_address(parse, define):
    define(zone="user")
    assert Phone(parse).run(times=3) == [200, 200, 429]
    assert Phone(parse, FAR).run() == [200]


def test_an_ipv6_network_is_one_address(parse, define):
    define()
    assert Phone(parse, "2001:db8::1").run(times=2) == [200, 200]
    assert Phone(parse, "2001:db8::2").run() == [429]
    assert Phone(parse, "2001:db8:0:1::1").run() == [200]


def test_the_master_key_and_this_machine_are_counted_only_when_asked(make_parse, define):
    parse = make_parse(master_key_ips="0.0.0.0/0")
    define()
    for here in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        assert Phone(parse, here).run(times=4) == [200] * 4
    assert Phone(parse, headers=MASTER).run(times=4) == [200] * 4
    define(include_internal_requests=True, include_master_key=True)
    assert Phone(parse, "127.0.0.1").run(times=3) == [200, 200, 429]
    assert Phone(parse, headers=MASTER).run(times=3) == [200, 200, 429]


def test_a_call_in_a_batch_counts_and_one_too_many_refuses_all(parse, define):
    define()
    phone = Phone(parse)
    call = {"method": "POST", "path": "/parse/functions/f", "body": {}}
    save = {"method": "POST", "path": "/parse/classes/Post", "body": {}}
    answer = phone.send("POST", "/batch", {"requests": [save, call, call, call]})
    assert (answer.status_code, answer.json) == (429, REFUSED)
    assert parse.find("Post") == []
    assert phone.run() == [429]


@pytest.mark.parametrize(
    ("kind", "calls", "free"),
    [
        ("before_save", [("POST", "/classes/Post"), ("PUT", "/classes/Post/x")], "GET"),
        ("before_find", [("GET", "/classes/Post"), ("GET", "/classes/Post/x")], "POST"),
        ("before_delete", [("DELETE", "/classes/Post/x"), ("DELETE", "/classes/Post/y")], "GET"),
    ],
)
def test_triggers_limit_the_routes_of_their_class(parse, cloud_code, kind, calls, free):
    rules = Validator(rate_limit=RateLimit(2, MINUTE))
    getattr(cloud_code, kind)("Post", rules)(lambda request: None)
    phone = Phone(parse)
    assert 429 not in [phone.send(*call).status_code for call in calls]
    assert [phone.send(*call).status_code for call in calls] == [429, 429]
    assert phone.send(free, "/classes/Post").status_code != 429
    assert phone.send("GET", "/classes/Other").status_code != 429


def test_triggers_of_system_classes_logins_and_files_limit_their_routes(parse, cloud_code):
    rules = Validator(rate_limit=RateLimit(1, MINUTE))
    cloud_code.before_save("_User", rules)(lambda request: None)
    cloud_code.before_login(rules)(lambda request: None)
    cloud_code.before_save_file(rules)(lambda request: None)
    phone = Phone(parse)
    for path in ("/users", "/login", "/files/a.txt"):
        assert phone.send("POST", path).status_code == 400
        assert phone.send("POST", path).status_code == 429


def test_request_methods_say_which_are_counted(parse, cloud_code):
    rules = Validator(rate_limit=RateLimit(1, MINUTE, request_methods=["PUT"]))
    cloud_code.before_save("Post", rules)(lambda request: None)
    phone = Phone(parse)
    assert [phone.send("POST", "/classes/Post").status_code for _ in range(3)] == [201] * 3
    assert [phone.send("PUT", "/classes/Post/x").status_code for _ in range(2)] == [404, 429]


@pytest.mark.parametrize(
    "options",
    [
        {"request_count": 0},
        {"request_time_window": timedelta(milliseconds=999)},
        {"zone": "planet"},
    ],
)
def test_a_limit_that_makes_no_sense_is_refused_where_it_is_made(options):
    with pytest.raises(ValueError, match=r"rate limit|planet"):
        RateLimit(**{"request_count": 1, "request_time_window": MINUTE, **options})


def test_an_after_trigger_cannot_limit_what_is_done(cloud_code):
    rules = Validator(rate_limit=RateLimit(1, MINUTE))
    for define_with in (
        lambda: cloud_code.after_save("Post", rules),
        lambda: cloud_code.after_login(rules),
    ):
        with pytest.raises(ValueError, match="rate_limit has no meaning"):
            define_with()


# --- of the operator ------------------------------------------------------------------------------


def test_classifying_is_limited_for_parse_and_plain_calls_together(make_parse):
    parse = make_parse(rate_limit_classify="ip:2/minute")
    phone = Phone(parse)
    assert phone.send("POST", "/functions/nsfwImageClassify").status_code == 400
    assert phone.send("GET", "/api/image/classify", mount="").status_code == 400
    assert phone.send("POST", "/functions/nsfwImageClassify").json == REFUSED
    for path in ("/api/image/classify", "/api/image/is_safe"):
        answer = phone.send("GET", path, mount="")
        assert (answer.status_code, answer.json) == (429, {"error": "Too many requests."})
        assert 0 < int(answer.headers["Retry-After"]) <= 61
    assert Phone(parse, FAR).send("GET", "/api/image/classify", mount="").status_code == 400
    here = Phone(parse, "127.0.0.1")
    assert here.send("GET", "/api/image/classify", mount="").status_code == 400


@pytest.mark.parametrize(
    ("setting", "path"),
    [
        ("rate_limit_upload", "/files/a.png"),
        ("rate_limit_login", "/login"),
        ("rate_limit_login", "/LOGIN/"),
        ("rate_limit_login", "/verifyPassword"),
        ("rate_limit_login", "/users"),
        ("rate_limit_login", "/classes/_User"),
        ("rate_limit_login", "/requestPasswordReset"),
    ],
)
def test_uploads_and_logins_are_limited(make_parse, setting, path):
    phone = Phone(make_parse(**{setting: "ip:1/minute"}))
    assert phone.send("POST", path).status_code == 400
    assert phone.send("POST", path).json == REFUSED
    assert phone.send("GET", "/users").status_code == 200


def test_users_and_keys_are_counted_each_for_themselves(make_parse):
    parse = make_parse(rate_limit_classify="user:1/minute,key:3/minute")
    alice, bob = (Phone(parse, headers=parse.person(name).headers) for name in ("alice", "bob"))
    assert alice.run("nsfwImageClassify", 2) == [400, 429]
    assert bob.run("nsfwImageClassify") == [400]
    assert Phone(parse, FAR).run("nsfwImageClassify", 2) == [400, 429]
    javascript = {"X-Parse-Application-Id": "myAppId", "X-Parse-Javascript-Key": "myJsKey"}
    assert Phone(parse, headers=javascript).run("nsfwImageClassify") == [400]


def test_the_defaults_are_far_from_an_honest_app(parse):
    assert Phone(parse).run("nsfwImageClassify", 100) == [400] * 100


@pytest.mark.parametrize("off", ["off", " OFF "])
def test_limits_can_be_switched_off(make_parse, off):
    parse = make_parse(rate_limit_classify=off)
    assert parse_rules(off) == ()
    assert Phone(parse).run("nsfwImageClassify") == [400]


@pytest.mark.parametrize("text", ["2/minute", "ip:", "ip:many", "planet:2/minute", "ip:2/parsec"])
def test_a_limit_that_cannot_be_read_is_refused_at_start(tmp_path, text):
    settings = load_settings(_env_file=None, data_dir=tmp_path, rate_limit_upload=text)
    with pytest.raises(SettingsError, match=r"^RATE_LIMIT_UPLOAD: "):
        check_settings(settings)


def test_a_limit_that_cannot_be_read_is_named_with_its_setting(tmp_path):
    limit = "key:9/hour,ip:6/fortnight"
    settings = load_settings(_env_file=None, data_dir=tmp_path, rate_limit_login=limit)
    with pytest.raises(SettingsError) as refused:
        check_settings(settings)
    assert str(refused.value) == (
        "RATE_LIMIT_LOGIN: ip:6/fortnight is not of the form ip:600/minute"
    )


# --- where they are counted -----------------------------------------------------------------------


def test_the_store_is_the_broker_where_that_is_redis(tmp_path):
    def uri(**settings):
        return load_settings(_env_file=None, data_dir=tmp_path, **settings).rate_limit_store

    assert uri() == "memory://"
    assert uri(celery_broker_url="redis://r:6379/0") == "redis://r:6379/0"
    assert uri(celery_broker_url="amqp://rabbitmq:5672//") == "memory://"
    own = {"celery_broker_url": "redis://r:6379/0", "rate_limit_storage": "memory://"}
    assert uri(**own) == "memory://"
    storage = "x://user:secret@host"
    with pytest.raises(SettingsError, match=r"^RATE_LIMIT_STORAGE: ") as refused:
        check_settings(load_settings(_env_file=None, data_dir=tmp_path, rate_limit_storage=storage))
    assert "secret" not in str(refused.value)


def test_processes_count_together_in_redis(make_parse, redis, define):
    define()
    settings = {"rate_limit_storage": redis.url}
    phones = [Phone(make_parse(**settings)), Phone(make_parse(**settings))]
    assert phones[0].run() + phones[1].run() + phones[0].run() == [200, 200, 429]


def test_a_store_that_is_away_limits_nobody_and_holds_up_nothing(make_parse, define, caplog):
    define()
    parse = make_parse(rate_limit_storage=f"redis://127.0.0.1:{free_port()}/0")
    began = time.monotonic()
    assert Phone(parse).run(times=20) == [200] * 20
    assert time.monotonic() - began < 2
    assert caplog.text.count("their store is away") == 1
