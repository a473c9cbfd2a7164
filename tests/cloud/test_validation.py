"""Validators: Parse Server's rules in its order, with its sentences."""

from datetime import UTC, datetime

import pytest

from cloud.code import CloudError
from cloud.errors import ValidationFailed
from cloud.objects import ParseObject
from cloud.operations import Set
from cloud.validation import Field, Subject, Validator, validate

ALICE = ParseObject("_User", {"objectId": "alice", "email": "a@example.com", "plan": "pro"}, {})
LOGIN = "Validation failed. Please login to continue."
MASTER = "Validation failed. Master key is required to complete this request."


def subject(values=None, *, user=ALICE, master=False, roles=(), original=None):
    return Subject(master, user, lambda: roles, {} if values is None else values, original)


def sentence(rules, *args, **kwargs):
    """What the validator says, None if nothing."""
    try:
        validate(rules, subject(*args, **kwargs))
    except ValidationFailed as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    "rules",
    [
        Validator(require_user=True),
        Validator(require_any_user_roles=["Admin"]),
        Validator(require_all_user_roles=["Admin"]),
        Validator(require_any_user_roles=lambda: ["Admin"]),
    ],
)
def test_user_is_required_before_anything_else(rules):
    assert sentence(rules, user=None) == LOGIN


def test_logged_in_user_is_enough():
    assert sentence(Validator(require_user=True)) is None


def test_who_signs_up_counts_as_the_user():
    new = ParseObject("_User", {"username": "bob"})
    assert sentence(Validator(require_user=True), new, user=None) is None
    assert sentence(Validator(require_user=True), ParseObject("Post"), user=None) == LOGIN


def test_master_key_is_required():
    assert sentence(Validator(require_master=True)) == MASTER
    assert sentence(Validator(require_master=True), master=True) is None


def test_master_key_skips_every_rule_unless_told_otherwise():
    rules = {"require_user": True, "fields": ["n"]}
    assert sentence(Validator(**rules), user=None, master=True) is None
    checked = Validator(**rules, validate_master_key=True)
    assert sentence(checked, user=None, master=True) == LOGIN


@pytest.mark.parametrize("values", [{}, {"n": None}])
@pytest.mark.parametrize("fields", [["n"], {"n": Field(required=True)}])
def test_missing_or_null_value_is_asked_for(values, fields):
    assert sentence(Validator(fields=fields), values) == (
        "Validation failed. Please specify data for n."
    )


@pytest.mark.parametrize("value", [0, "", False, [], {}])
def test_empty_value_is_a_value(value):
    assert sentence(Validator(fields=["n"]), {"n": value}) is None


TYPES = [
    (str, "string", "x"),
    (int, "number", 1),
    (float, "number", 1.5),
    (bool, "boolean", True),
    (list, "array", []),
    (dict, "object", {}),
]


@pytest.mark.parametrize(("expected", "word", "_"), TYPES)
@pytest.mark.parametrize("value", [value for _, _, value in TYPES])
def test_type_is_compared_as_in_javascript(expected, word, _, value):
    other = next(name for kind, name, _ in TYPES if kind is type(value))
    answer = sentence(Validator(fields={"n": Field(type=expected)}), {"n": value})
    complaint = f"Validation failed. Invalid type for n. Expected: {word}"
    assert answer == (None if other == word else complaint)


def test_values_of_parse_are_objects():
    rules = Validator(fields={"n": Field(type=dict)})
    assert sentence(rules, {"n": datetime.now(UTC)}) is None
    assert sentence(rules, {"n": ALICE.pointer}) is None


def test_optional_value_that_is_missing_is_not_checked():
    rules = Validator(fields={"n": Field(type=str, options=["a"])})
    assert sentence(rules, {}) is None
    assert sentence(rules, {"n": None}) is not None  # null is a value, as in Parse


@pytest.mark.parametrize("options", [["a", 1], ("a", 1)])
def test_value_must_be_one_of_the_options(options):
    rules = Validator(fields={"p": Field(options=options)})
    assert sentence(rules, {"p": "a"}) is None
    assert sentence(rules, {"p": 1.0}) is None
    complaint = "Validation failed. Invalid option for p. Expected: a, 1"
    assert sentence(rules, {"p": "b"}) == complaint
    assert sentence(rules, {"p": True}) == complaint


@pytest.mark.parametrize(
    ("options", "expected"), [("a", "a"), (2.0, "2"), (True, "true"), ([None, 0.5], ", 0.5")]
)
def test_options_are_named_as_javascript_writes_them(options, expected):
    rules = Validator(fields={"p": Field(options=options)})
    assert sentence(rules, {"p": "x"}) == (
        f"Validation failed. Invalid option for p. Expected: {expected}"
    )


def _refuse(value):
    raise CloudError(f"{value} is too much", 9001)


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        (lambda value: value > 2, None),
        (lambda value: value > 3, "Validation failed. Invalid value for f."),
        (lambda value: 0, "Validation failed. Invalid value for f."),
        (lambda value: None, None),
        (_refuse, "3 is too much"),
    ],
)
def test_options_may_be_a_function(options, answer):
    assert sentence(Validator(fields={"f": Field(options=options)}), {"f": 3}) == answer


@pytest.mark.parametrize("options", [["a"], lambda value: False, _refuse])
def test_own_sentence_replaces_that_of_the_options_alone(options):
    rules = Validator(fields={"f": Field(required=True, options=options, error="Pick a.")})
    assert sentence(rules, {"f": 3}) == "Pick a."
    assert sentence(rules, {}) == "Validation failed. Please specify data for f."


def test_bug_in_a_function_is_not_the_callers_fault():
    with pytest.raises(KeyError):
        sentence(Validator(fields={"f": Field(options=lambda value: {}[value])}), {"f": 3})


@pytest.mark.parametrize("values", [{}, {"n": None}])
def test_default_fills_what_is_missing_or_null(values):
    rules = Validator(fields={"n": Field(required=True, type=int, default=7)})
    assert sentence(rules, values) is None
    assert values == {"n": 7}


def test_default_is_fresh_for_every_call():
    rules, first = Validator(fields={"n": Field(default=[])}), {}
    sentence(rules, first)
    first["n"].append(1)
    second = {}
    sentence(rules, second)
    assert second == {"n": []}


def test_default_of_a_trigger_is_written():
    post = ParseObject("Post", {"title": "Hi"})
    assert sentence(Validator(fields={"views": Field(default=0)}), post) is None
    assert post.changes == {"title": Set("Hi"), "views": Set(0)}


def test_constant_column_keeps_its_stored_value():
    original = ParseObject("Post", {"objectId": "p", "owner": "alice"}, {})
    post = ParseObject("Post", {"objectId": "p", "owner": "bob"}, {"owner": Set("bob")})
    rules = Validator(fields={"owner": Field(constant=True, default="nobody")})
    assert sentence(rules, post, original=original) is None
    assert (post["owner"], post.changes) == ("alice", {})


def test_constant_column_of_a_new_object_gets_its_default():
    rules = Validator(fields={"owner": Field(constant=True, default="nobody")})
    post = ParseObject("Post", {"owner": "bob"})
    assert sentence(rules, post) is None
    assert post.changes == {"owner": Set("nobody")}


ANY = "Validation failed. User does not match the required roles."
ALL = "Validation failed. User does not match all the required roles."


@pytest.mark.parametrize(
    ("rules", "roles", "answer"),
    [
        ({"require_any_user_roles": ["A", "B"]}, {"B"}, None),
        ({"require_any_user_roles": ["A", "B"]}, {"C"}, ANY),
        ({"require_any_user_roles": []}, {"C"}, ANY),
        ({"require_any_user_roles": lambda: ["A"]}, {"A"}, None),
        ({"require_any_user_roles": lambda: ["A"]}, (), ANY),
        ({"require_all_user_roles": ["A", "B"]}, {"A", "B", "C"}, None),
        ({"require_all_user_roles": ["A", "B"]}, {"A"}, ALL),
        ({"require_all_user_roles": lambda: ["A"]}, (), ALL),
        ({"require_any_user_roles": ["A"], "require_all_user_roles": ["B"]}, {"A"}, ALL),
    ],
)
def test_roles_must_match(rules, roles, answer):
    assert sentence(Validator(**rules), roles=roles) == answer


def test_roles_are_looked_up_only_for_rules_about_them():
    def find():
        raise AssertionError

    validate(Validator(require_user=True), Subject(False, ALICE, find, {}))


@pytest.mark.parametrize(
    ("keys", "user", "answer"),
    [
        (["email"], ALICE, None),
        (["phone"], ALICE, "Validation failed. Please set data for phone on your account."),
        (["email"], None, "Please login to make this request."),
        ({"plan": Field(options=["pro"])}, ALICE, None),
        ({"plan": Field(options=["free"], error="Only free.")}, ALICE, "Only free."),
        ({"plan": Field(options=["pro"])}, None, "Please login to make this request."),
        (
            {"plan": Field(options=["free"])},
            ALICE,
            "Validation failed. Invalid option for plan. Expected: free",
        ),
    ],
)
def test_columns_of_the_user_must_be_set(keys, user, answer):
    assert sentence(Validator(require_user_keys=keys), user=user) == answer


def test_rules_speak_in_parses_order():
    rules = Validator(
        require_user=True,
        require_master=True,
        fields={"o": Field(options=["a"]), "n": Field(type=int), "r": Field(required=True)},
        require_any_user_roles=["A"],
        require_user_keys=["phone"],
        validate_master_key=True,
    )
    values = {"o": "b", "n": "x"}
    assert sentence(rules, values, user=None) == LOGIN
    assert sentence(rules, values) == MASTER
    assert "type for n" in sentence(rules, values, master=True)
    values["n"] = 1
    assert "data for r" in sentence(rules, values, master=True)
    values["r"] = 1
    assert "option for o" in sentence(rules, values, master=True)
    values["o"] = "a"
    assert sentence(rules, values, master=True) == ANY
    assert "data for phone" in sentence(rules, values, master=True, roles={"A"})


@pytest.mark.parametrize(
    "name", ["fields", "require_user_keys", "require_any_user_roles", "require_all_user_roles"]
)
def test_single_text_instead_of_a_list_is_refused(name):
    with pytest.raises(TypeError, match=name):
        Validator(**{name: "Admin"})


def test_type_that_json_does_not_have_is_refused():
    with pytest.raises(ValueError, match="none of"):
        Field(type=datetime)
