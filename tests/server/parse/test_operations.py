"""Bodies of writes: what every operation becomes, and every name that is refused."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.operations import Add, AddUnique, Delete, Increment, Relate, Remove, Set
from cloud.values import File, GeoPoint, Pointer, Relation
from server.parse.errors import ParseError
from server.parse.operations import check_class_name, check_column_name, read_changes

A = {"__type": "Pointer", "className": "C", "objectId": "a"}
B = {"__type": "Pointer", "className": "C", "objectId": "b"}
OTHER = {"__type": "Pointer", "className": "D", "objectId": "d"}
C_A, C_B = Pointer("C", "a"), Pointer("C", "b")


def op(name, **members):
    return {"__op": name, **members}


@pytest.mark.parametrize(
    ("value", "updated", "created"),
    [
        (5, Set(5), Set(5)),
        (None, Set(None), Set(None)),
        ({"a": [1]}, Set({"a": [1]}), Set({"a": [1]})),
        (A, Set(C_A), Set(C_A)),
        ({"__type": "File", "name": "a"}, Set(File("a")), Set(File("a"))),
        ({"__type": "Relation", "className": "C"}, Set(Relation("C")), Set(Relation("C"))),
        (op("Delete"), Delete(), None),
        (op("Increment", amount=5), Increment(5), Set(5)),
        (op("Increment", amount=-0.5), Increment(-0.5), Set(-0.5)),
        (op("Add", objects=[1, 1, A]), Add((1, 1, C_A)), Set([1, 1, C_A])),
        (op("AddUnique", objects=["q", "r", "q"]), AddUnique(("q", "r", "q")), Set(["q", "r"])),
        (op("AddUnique", objects=[1, True, 1.0, {"a": 1}, {"a": 1}]),
         AddUnique((1, True, 1.0, {"a": 1}, {"a": 1})), Set([1, True, {"a": 1}])),
        (op("Remove", objects=["q"]), Remove(("q",)), Set([])),
        (op("AddRelation", objects=[A, B]), Relate((C_A, C_B)), Relate((C_A, C_B))),
        (op("RemoveRelation", objects=[A]), Relate((), (C_A,)), Relate((), (C_A,))),
        (op("AddRelation", objects=[]), Relate(), Relate()),
        (op("Batch", ops=[op("AddRelation", objects=[A]), op("RemoveRelation", objects=[B])]),
         Relate((C_A,), (C_B,)), Relate((C_A,), (C_B,))),
        (op("Batch", ops=[op("AddRelation", objects=[A]), op("RemoveRelation", objects=[A])]),
         Relate((), (C_A,)), Relate((), (C_A,))),
    ],
)  # fmt: skip
def test_value_becomes_a_change(value, updated, created):
    assert read_changes({"f": value}, creating=False) == {"f": updated}
    assert read_changes({"f": value}, creating=True) == ({} if created is None else {"f": created})


def test_set_on_insert_counts_for_new_objects_alone():
    body = {"f": op("SetOnInsert", amount=4)}
    assert read_changes(body, creating=True) == {"f": Set(4)}
    with pytest.raises(ParseError, match=r"The SetOnInsert operator is not supported yet\.") as bad:
        read_changes(body, creating=False)
    assert bad.value.code == 108


@pytest.mark.parametrize("creating", [True, False])
@pytest.mark.parametrize(
    ("value", "code", "sentence"),
    [
        (op("Increment"), 107, "incrementing must provide a number"),
        (op("Increment", amount="x"), 107, "incrementing must provide a number"),
        (op("Increment", amount=True), 107, "incrementing must provide a number"),
        (op("Increment", amount={"$inc": 1}), 107, "incrementing must provide a number"),
        (op("Add"), 107, "objects to add must be an array"),
        (op("Add", objects="x"), 107, "objects to add must be an array"),
        (op("AddUnique", objects={"0": 1}), 107, "objects to add must be an array"),
        (op("Remove", objects=None), 107, "objects to remove must be an array"),
        (op("AddRelation", objects=A), 107, "objects to add must be an array"),
        (op("RemoveRelation", objects=A), 107, "objects to remove must be an array"),
        (op("AddRelation", objects=["a"]), 111, "This is not a valid Pointer"),
        (op("AddRelation", objects=[A, OTHER]), 111, "A relation's objects must be of one class."),
        (op("Batch", ops="x"), 107, "ops of a Batch must be an array"),
        (op("Batch", ops=[op("Add", objects=[1])]), 108,
         "The Batch operator is not supported yet."),
        (op("Batch", ops=[op("Batch", ops=[])]), 108, "The Batch operator is not supported yet."),
        (op("Batch", ops=[5]), 108, "The Batch operator is not supported yet."),
        (op("Frobnicate"), 108, "The Frobnicate operator is not supported yet."),
        (op(5), 108, "The 5 operator is not supported yet."),
        (op(["Delete"]), 108, "operator is not supported yet."),
        (op("Add", objects=[{"$each": [1]}]), 121,
         "Nested keys should not contain the '$' or '.' characters"),
        (op("Add", objects=[{"__proto__": 1}]), 105,
         'Prohibited keyword in request data: {"key":"__proto__"}.'),
        ({"$set": {"a": 1}}, 121, "Nested keys should not contain the '$' or '.' characters"),
        ({"__type": "Date"}, 111, "This is not a valid Date"),
    ],
)  # fmt: skip
def test_bad_operation_is_refused(value, code, sentence, creating):
    with pytest.raises(ParseError) as refusal:
        read_changes({"f": value}, creating=creating)
    assert (refusal.value.code, refusal.value.status) == (code, 400)
    assert sentence in refusal.value.message


@pytest.mark.parametrize("creating", [True, False])
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("bad-key", "Invalid field name: bad-key."),
        ("1abc", "Invalid field name: 1abc."),
        ("_id", "Invalid field name: _id."),
        ("__type", "Invalid field name: __type."),
        ("_hashed_password", "Invalid field name: _hashed_password."),
        ("_rperm", "Invalid field name: _rperm."),
        ("$set", "Invalid field name: $set."),
        ("", "Invalid field name: ."),
        ("a\n", "Invalid field name: a\n."),
        ("ä", "Invalid field name: ä."),
        ("length", "Invalid field name: length."),
        ("className", "Invalid field name: className."),
        ("id", "id is an invalid field name."),
        ("_rperm.0", "Invalid field name: _rperm."),
        ("constructor", 'Prohibited keyword in request data: {"key":"constructor"}.'),
        ("__proto__", 'Prohibited keyword in request data: {"key":"__proto__"}.'),
    ],
)
def test_bad_name_is_105(name, sentence, creating):
    with pytest.raises(ParseError) as refusal:
        read_changes({name: 1}, creating=creating)
    assert (refusal.value.code, refusal.value.message) == (105, sentence)


def test_object_id_is_refused_for_a_new_object_and_ignored_for_an_old_one():
    with pytest.raises(ParseError, match=r"objectId is an invalid field name\.") as refusal:
        read_changes({"objectId": "x"}, creating=True)
    assert refusal.value.code == 105
    assert read_changes({"objectId": "x", "a": 1}, creating=False) == {"a": Set(1)}


@pytest.mark.parametrize("name", ["createdAt", "updatedAt"])
def test_dates_of_an_object_are_for_the_caller_to_judge(name):
    moment = {"__type": "Date", "iso": "2000-01-01T00:00:00.000Z"}
    assert read_changes({name: moment}, creating=True) == {
        name: Set(datetime(2000, 1, 1, tzinfo=UTC))
    }
    assert read_changes({name: "2000-01-01"}, creating=True) == {name: Set("2000-01-01")}
    with pytest.raises(ParseError, match="Invalid field name"):
        read_changes({name: op("Delete")}, creating=False)


def test_acl_is_set_as_a_whole():
    acl = {"*": {"read": True, "write": False}}
    for creating in (True, False):
        assert read_changes({"ACL": acl}, creating=creating) == {"ACL": Set({"*": {"read": True}})}
        assert read_changes({"ACL": None}, creating=creating) == {}
        with pytest.raises(ParseError, match="This is not a valid ACL"):
            read_changes({"ACL": op("Delete")}, creating=creating)


@pytest.mark.parametrize(
    ("path", "value", "change"),
    [
        ("meta.k", 1, Set(1)),
        ("meta.sub.v-1", {"a": A}, Set({"a": C_A})),
        ("list.0", "x", Set("x")),
        ("meta.k", op("Increment", amount=2), Increment(2)),
        ("meta.k", op("Delete"), Delete()),
        ("meta.k", op("Add", objects=[1]), Add((1,))),
        ("meta.k", {"__type": "GeoPoint", "latitude": 1, "longitude": 2}, Set(GeoPoint(1, 2))),
        ("meta.k", {"__type": "Date", "iso": "2020-01-01"},
         Set({"__type": "Date", "iso": "2020-01-01T00:00:00.000Z"})),
        ("meta.k", {"__type": "Bytes", "base64": "AA==", "$set": {"a": 1}},
         Set({"__type": "Bytes", "base64": "AA=="})),
        ("meta.k", {"__type": "Bytes", "base64": "AA=="},
         Set({"__type": "Bytes", "base64": "AA=="})),
    ],
)  # fmt: skip
def test_dotted_path_changes_a_member_of_an_old_object(path, value, change):
    assert read_changes({path: value}, creating=False) == {path: change}
    with pytest.raises(ParseError) as refusal:
        read_changes({path: value}, creating=True)
    assert (refusal.value.code, refusal.value.message) == (105, f"Invalid field name: {path}.")


@pytest.mark.parametrize(
    "path",
    ["a.", "a..b", ".a", "a.$", "a.$[]", "a.b$c", "a.\0", "a.__proto__", "a.constructor.b", "ACL.*",
     "objectId.a", "createdAt.a", "updatedAt.a", ".".join("a" * 50)],
)  # fmt: skip
def test_bad_path_is_105(path):
    with pytest.raises(ParseError) as refusal:
        read_changes({path: 1}, creating=False)
    assert refusal.value.code == 105


@pytest.mark.parametrize("name", ["AddRelation", "RemoveRelation", "Batch"])
def test_relation_inside_an_object_is_108(name):
    with pytest.raises(ParseError) as refusal:
        read_changes({"a.b": op(name, objects=[A], ops=[])}, creating=False)
    assert refusal.value.code == 108


def test_path_and_a_part_of_it_cannot_change_together():
    with pytest.raises(ParseError, match=r"a\.b\.c cannot be changed together with a\."):
        read_changes({"a.b.c": 1, "a": {}}, creating=False)
    assert len(read_changes({"a.b": 1, "a.c": 1, "ab": 1}, creating=False)) == 3


def test_hundred_thousand_values_to_add_take_no_minutes():
    body = {"f": op("AddUnique", objects=[*range(50_000), *range(50_000)])}
    assert read_changes(body, creating=True) == {"f": Set(list(range(50_000)))}


@pytest.mark.parametrize("name", ["GameScore", "a", "A_1", "_User", "_Role", "_Session"])
def test_class_name_is_fine(name):
    check_class_name(name)


@pytest.mark.parametrize(
    "name",
    ["Bad-Name", "1Bad", "_Foo", "", "A\n", "Ä", "a.b", "$a", "length", "className",
     "_Join:users:_Role", "system.users"],
)  # fmt: skip
def test_class_name_is_107(name):
    with pytest.raises(ParseError, match="schema class name does not revalidate") as refusal:
        check_class_name(name)
    assert refusal.value.code == 107


def test_column_name_is_checked():
    check_column_name("score")
    with pytest.raises(ParseError, match=r"Invalid field name: bad-key\."):
        check_column_name("bad-key")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text() | st.sampled_from(["__op", "__type", "objects"]), inner)
        | st.fixed_dictionaries(
            {"__op": st.sampled_from(["Add", "Batch", "AddRelation", "Delete"]) | inner},
            optional={"objects": inner, "ops": inner, "amount": inner},
        )
    ),
)


@given(
    st.dictionaries(st.sampled_from(["a", "a.b", "ACL", "createdAt"]), JSON_VALUES), st.booleans()
)
def test_no_body_makes_more_than_a_parse_error(body, creating):
    with suppress(ParseError):
        read_changes(body, creating=creating)
