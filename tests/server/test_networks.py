"""Which network an address is of, in whichever spelling it comes."""

from ipaddress import ip_network

import pytest

from server.networks import is_address_in, is_this_machine, network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:c000:201", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:0:0:1", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
        ("alice", "unknown"),
        ("192.0.2.1:80", "unknown"),
    ],
)
def test_callers_are_counted_by_their_network(address, network):
    assert network_of(address) == network


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1"])
def test_this_machine_is_known_in_every_spelling(address):
    assert is_this_machine(address)


@pytest.mark.parametrize("address", ["", "localhost", "128.0.0.1", "::2", "::127.0.0.1", "fe80::1"])
def test_nobody_else_is_this_machine(address):
    assert not is_this_machine(address)


@pytest.mark.parametrize(
    ("address", "is_in"),
    [
        ("10.0.0.0", True),
        ("10.255.255.255", True),
        ("::ffff:10.1.2.3", True),
        ("9.255.255.255", False),
        ("11.0.0.0", False),
        ("2001:db8::5", True),
        ("2001:db9::", False),
        ("no address", False),
    ],
)
def test_an_address_lies_in_a_network_to_its_exact_bounds(address, is_in):
    assert is_address_in(address, [ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")]) == is_in
