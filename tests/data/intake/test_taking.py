"""Photos taken into a workspace: each read once, in this process or in several, and not again after a kill."""

import numpy as np
import pytest
from PIL import Image

from core.photos import read_photo
from data.intake import taking
from data.intake.duplicates import view_hashes
from data.intake.taking import take_photos
from data.synthetic.walls import make_scene
from data.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    opened = Workspace.open(tmp_path / "workspace")
    yield opened
    opened.store.close()


@pytest.fixture
def photos(tmp_path):
    """Four JPEGs of which two are equal, a PNG with transparency, a JPEG on its side, and a file that is no picture."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        Image.fromarray(make_scene(number, (70, 90)).photo).save(folder / f"{number}.jpg")
    (folder / "again.jpg").write_bytes((folder / "0.jpg").read_bytes())
    Image.fromarray(np.full((20, 30, 4), 120, np.uint8)).save(folder / "glass.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(make_scene(5, (70, 90)).photo).save(folder / "side.jpg", exif=exif)
    (folder / "broken.jpg").write_bytes(b"no picture")
    return sorted(folder.iterdir())


@pytest.mark.parametrize("few", [0, 64], ids=["in-processes", "in-this-one"])
def test_each_is_kept_upright_under_its_content(photos, workspace, monkeypatch, few):
    monkeypatch.setattr(taking, "_FEW", few)
    taken = {path.name: one for path, one in take_photos(photos, workspace).items()}
    assert taken["0.jpg"].image == taken["again.jpg"].image
    assert len(workspace.store.images()) == len(list(workspace.images.iterdir())) == 5
    assert "not a picture" in taken.pop("broken.jpg").error
    assert taken["side.jpg"].orientation == 6
    for name, one in taken.items():
        kept = workspace.photo_path(one.image.path)
        expected = read_photo(next(path for path in photos if path.name == name))
        assert np.array_equal(read_photo(kept), expected)
        assert (one.image.height, one.image.width) == expected.shape[:2]
        assert one.image.view_hashes == view_hashes(expected).tobytes()
        assert kept.suffix == (".png" if name in ("glass.png", "side.jpg") else ".jpg")


def test_what_a_killed_import_has_taken_is_not_read_again(photos, workspace, monkeypatch):
    monkeypatch.setattr(taking, "_BATCH", 2)
    read = taking.read_photo

    def killed(content, name):
        if name == "again.jpg" or name < "2.jpg":
            return read(content, name)
        raise KeyboardInterrupt

    monkeypatch.setattr(taking, "read_photo", killed)
    with pytest.raises(KeyboardInterrupt):
        take_photos(photos, workspace)
    assert len(workspace.store.images()) == 2
    names = []

    def counted(content, name):
        names.append(name)
        return read(content, name)

    monkeypatch.setattr(taking, "read_photo", counted)
    take_photos(photos, workspace)
    assert sorted(names) == ["2.jpg", "broken.jpg", "glass.png", "side.jpg"]
    assert len(workspace.store.images()) == 5


def test_photos_of_an_older_workspace_are_described_when_they_are_met(photos, workspace):
    taken = take_photos(photos[:1], workspace)[photos[0]]
    with workspace.store._write("fill") as session:
        session.execute(taking_table().update().values(view_hashes=None))
    assert workspace.store.images()[taken.image.hash].view_hashes is None
    take_photos([workspace.photo_path(taken.image.path)], workspace)
    assert workspace.store.images()[taken.image.hash] == taken.image


def taking_table():
    from data.store.tables import ImageRow

    return ImageRow.__table__
