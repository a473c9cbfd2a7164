"""Hashes that Parse Server made and can read."""

import bcrypt
import pytest

from server.objects.passwords import hash_password, is_password

HASH = hash_password("secret")


def test_a_password_fits_its_own_hash_alone():
    assert is_password("secret", HASH)
    assert not is_password("Secret", HASH)
    assert not is_password("", HASH)


@pytest.mark.parametrize("prefix", ["$2a$", "$2b$", "$2y$"])
def test_hashes_of_every_library_that_parse_server_used_fit(prefix):
    assert is_password("secret", prefix + HASH[4:])


def test_the_hash_is_bcrypt_of_cost_10():
    assert HASH.startswith("$2b$10$")
    assert bcrypt.checkpw(b"secret", HASH.encode())


@pytest.mark.parametrize("password", ["x" * 72, "x" * 73, "ü" * 40, "\N{GRINNING FACE}" * 30])
def test_long_passwords_count_by_their_first_72_bytes(password):
    cut = password.encode()[:72]
    hashed = hash_password(password)
    assert bcrypt.checkpw(cut, hashed.encode())
    assert is_password(password, hashed)
    assert not is_password(password[:10], hashed)


def test_a_password_may_hold_any_character():
    hashed = hash_password("a\0b")
    assert is_password("a\0b", hashed)
    assert not is_password("a", hashed)
    assert not is_password("a\0c", hashed)


@pytest.mark.parametrize(
    "damaged",
    [None, "", "x", "$2b$10$", HASH[:-1], HASH[:30], "$2b$99$" + HASH[7:], "ü" * 60],
    ids=["none", "empty", "short", "prefix", "cut by one", "cut", "cost of 99", "not ASCII"],
)
def test_a_missing_or_damaged_hash_fits_nothing(damaged):
    assert not is_password("secret", damaged)
    assert not is_password("", damaged)
