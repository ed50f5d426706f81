"""The documents that are made from the code are as the code makes them."""

from docs.reference import PAGE, reference
from training.config import known_keys


def test_the_reference_page_has_not_drifted():
    assert PAGE.read_text("utf-8") == reference(), "run python -m docs.reference"


def test_every_setting_and_command_is_on_it():
    page = PAGE.read_text("utf-8")
    assert all(f"| `{key}` |" in page for key in known_keys())
    for command in ("prepare", "train", "evaluate", "predict", "import-labels", "dashboard", "bench"):
        assert f"| `{command}`" in page
