"""One mask, one file: names that would fall together are told apart, the others stay as the contract says."""

import unicodedata

from training.inference.mask_files import mask_names


def test_names_that_differ_stay_plain():
    names = mask_names(["a.jpg", "b.v2.jpg"], ["segment wall crack", "segment joint tape"])
    assert list(names.values()) == [
        "a__segment_wall_crack.png",
        "a__segment_joint_tape.png",
        "b.v2__segment_wall_crack.png",
        "b.v2__segment_joint_tape.png",
    ]


def test_names_that_fall_together_are_told_apart():
    long = "segment the crack " * 5
    prompts = ["segment crack", "segment-crack", "SEGMENT CRACK", long + "left", long + "right", "???", "!!!"]
    images = ["a.jpg", "a.png", "A.webp", unicodedata.normalize("NFC", "ä.jpg"), unicodedata.normalize("NFD", "ä.jpg")]
    names = mask_names(images, prompts)
    assert len({unicodedata.normalize("NFC", name.casefold()) for name in names.values()}) == len(images) * len(prompts)
    assert names["a.jpg", "segment crack"] == "a__segment_crack.png"
    assert names == mask_names(images, prompts)


def test_a_photo_whose_name_holds_a_prompt_is_told_apart():
    names = mask_names(["a.jpg", "a__b.jpg"], ["b__c", "c"])
    assert len(set(names.values())) == 4


def test_names_fit_a_file_system():
    names = mask_names(["ま" * 70 + ".jpg"], ["壁" * 100, "壁" * 101, "crack"])
    assert len(set(names.values())) == 3
    assert max(len(name.encode()) for name in names.values()) <= 230
