"""Which keys do what in the lane."""

from admin.lane.keys import USUAL_KEYS, lane_keys


def test_the_usual_keys_hold_until_others_are_chosen():
    assert lane_keys({}) == USUAL_KEYS


def test_a_chosen_key_replaces_the_first_one():
    assert lane_keys({"approve": "j"})["approve"] == ("j", "ArrowRight")
    assert lane_keys({"approve": "J"})["approve"] == ("j", "ArrowRight")


def test_a_chosen_key_is_no_longer_another_actions():
    keys = lane_keys({"approve": "d", "skip": "ArrowLeft"})
    assert keys["approve"] == ("d", "ArrowRight")
    assert keys["skip"] == ("ArrowLeft",)
    assert keys["reject"] == ()


def test_two_actions_can_change_places():
    keys = lane_keys({"approve": "d", "reject": "l"})
    assert (keys["approve"][0], keys["reject"][0]) == ("d", "l")


def test_an_action_can_be_without_a_key_of_its_own():
    assert lane_keys({"escalate": "", "undo": ""})["undo"] == ("Backspace", "Ctrl+z")
    assert lane_keys({"escalate": ""})["escalate"] == ()


def test_what_is_no_action_is_passed_over():
    assert lane_keys({"explode": "l"}) == USUAL_KEYS
