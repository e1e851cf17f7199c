"""Keys as the user would have them."""

from __future__ import annotations

import pytest

from napari_unet.plugin.keymap import ALL_KEYS, DEFAULTS, Keymap, choose_keys, normal


def test_all_that_is_proposed_is_taken_as_it_is() -> None:
    assert choose_keys(DEFAULTS) == (DEFAULTS, [])
    assert len(set(DEFAULTS.values())) == len(ALL_KEYS)


def test_two_actions_can_swap_their_keys() -> None:
    keys, complaints = choose_keys({**DEFAULTS, "train": "w", "preview": "t"})
    assert (keys["train"], keys["preview"], complaints) == ("W", "T", [])


def test_a_doubled_key_is_refused_and_its_owner_keeps_it() -> None:
    keys, (complaint,) = choose_keys({**DEFAULTS, "delete": "T"})
    assert keys == DEFAULTS
    assert complaint == "T is the key for 'train, ...' already: D stays for 'delete the cell under the pointer'."


def test_of_two_new_wishes_for_one_key_one_is_granted() -> None:
    keys, complaints = choose_keys({**DEFAULTS, "train": "F5", "merge": "F5"})
    assert sorted([keys["train"], keys["merge"]]) in (["F5", "J"], ["F5", "T"])
    assert len(complaints) == 1


@pytest.mark.parametrize("bad", ["Tee", "Shift", "Ctrl+", "K C", "Escape", "ä", "Ctrl++"])
def test_what_is_no_key_is_refused_in_words(bad: str) -> None:
    keys, (complaint,) = choose_keys({**DEFAULTS, "train": bad})
    assert keys == DEFAULTS
    assert bad in complaint
    assert "T stays" in complaint


def test_keys_of_napari_are_refused() -> None:
    keys, (complaint,) = choose_keys({**DEFAULTS, "train": "m"}, taken={"M": "new label"})
    assert keys["train"] == "T"
    assert "napari's key for 'new label'" in complaint


def test_a_key_that_napari_has_by_now_is_given_up() -> None:
    keys, (complaint,) = choose_keys(DEFAULTS, taken={DEFAULTS["train"]: "fill bucket"})
    assert keys["train"] == ""
    assert "no key stays" in complaint


def test_an_action_can_do_without_a_key() -> None:
    keymap = Keymap()
    assert keymap.take({"train": " "}) == []
    assert keymap.now["train"] == ""
    assert keymap.tell("Train (key {train})") == "Train (key none)"
    assert set(keymap.bind({"train": print, "preview": print})) == {"W"}


def test_what_was_set_stays_where_the_next_wish_is_refused() -> None:
    keymap = Keymap()
    told: list[dict[str, str]] = []
    keymap.changed.connect(lambda: told.append(keymap.now))
    assert keymap.take({"train": "x"}) == []
    (complaint,) = keymap.take({"train": "nonsense"})
    assert "X stays" in complaint
    assert keymap.now["train"] == "X"
    assert len(told) == 1


def test_a_key_that_was_given_up_can_be_had_by_another() -> None:
    keys, complaints = choose_keys({**DEFAULTS, "train": "F5", "merge": "T"})
    assert (keys["train"], keys["merge"], complaints) == ("F5", "T", [])


@pytest.mark.parametrize("key", list(DEFAULTS.values()))
def test_a_key_is_written_in_one_way(key: str) -> None:
    assert normal(key) == normal(key.lower()) == key
