"""Places for large bodies: who waits, in which order, and who is forgotten."""

import weakref

from server.front.places import Places


class Client:
    """One that waits."""

    has_place = False

    def take_place(self):
        self.has_place = True


def test_who_has_waited_longest_gets_the_place():
    places, first, second = Places(1), Client(), Client()
    assert places.take(Client())
    assert not places.take(first)
    assert not places.take(second)
    places.give_back()
    assert (first.has_place, second.has_place) == (True, False)
    places.give_back()
    assert second.has_place
    places.give_back()
    assert places.take(Client()), "nobody waits"


def test_client_that_waits_no_more_is_neither_told_nor_kept_in_memory():
    places, client, other = Places(0), Client(), Client()
    assert not places.take(client)
    assert not places.take(other)
    places.leave(client)
    gone = weakref.ref(client)
    del client
    assert gone() is None
    places.give_back()
    assert other.has_place
