"""Which keys do what in the lane."""

import pytest

from admin.lane.keys import USUAL_KEYS, lane_keys, sweep_keys


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


# --- the sweep ------------------------------------------------------------------------------------


def test_the_sweep_has_the_lanes_keys_but_for_what_its_grid_needs():
    keys = sweep_keys(lane_keys({}))
    assert keys == {
        "approve": ("l",), "reject": ("d",), "undo": ("u", "Backspace", "Ctrl+z"),
        "reveal": ("r",), "colours": ("c",), "help": ("?",),
        "next": ("n",), "hold": ("h",), "open": ("o",),
    }  # fmt: skip


def test_a_moderators_own_keys_hold_in_the_sweep_too():
    keys = sweep_keys(lane_keys({"approve": "j", "reject": "n"}))
    assert (keys["approve"], keys["reject"]) == (("j",), ("n",))
    assert keys["next"] == (), "it gives way"


@pytest.mark.parametrize("key", ["ArrowUp", " ", "Enter", "Home"])
def test_a_key_of_the_grid_leaves_an_action_its_usual_one(key):
    keys = sweep_keys(lane_keys({"approve": key, "reveal": ""}))
    assert keys["approve"] == ("l",)


def test_a_usual_key_that_another_action_has_is_not_taken_back():
    keys = sweep_keys(lane_keys({"approve": "ArrowUp", "reject": "l"}))
    assert (keys["approve"], keys["reject"]) == ((), ("l",))
