import zipfile

import pytest

from core.errors import RequestError
from data.exchange.archives import innermost, unpacked


def archive(tmp_path, *names):
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as opened:
        for name in names:
            opened.writestr(name, "content")
    return path


def files_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("names", "found"),
    [
        pytest.param(["top/a.json"], ["a.json"], id="one-top-folder"),
        pytest.param(["top/deep/er/a.json", "__MACOSX/top/._a.json", "top/.DS_Store"], ["a.json"], id="nested-and-macos"),
        pytest.param(["top\\images\\a.jpg", "top\\a.json"], ["a.json", "images/a.jpg"], id="made-by-windows"),
        pytest.param(["a.json", "top/b.json"], ["a.json", "top/b.json"], id="no-top-folder"),
        pytest.param(["cracks/train/a.png"], ["cracks/train/a.png"], id="a-class-folder-keeps-its-name"),
        pytest.param(["cracks/a.png"], ["cracks/a.png"], id="a-flat-class-folder-too"),
        pytest.param(["top/cracks/train/a.PNG"], ["cracks/train/a.PNG"], id="class-folder-in-a-top-folder"),
        pytest.param(["../../out.json", "/root.json"], ["out.json", "root.json"], id="paths-out-of-it"),
    ],
)
def test_an_archive_is_read_from_the_folder_that_matters(names, found, tmp_path):
    with unpacked(archive(tmp_path, *names)) as folder:
        assert files_in(innermost(folder)) == found
    assert not folder.exists()


def test_what_is_no_archive_says_so_and_what_lies_beside_is_not_seen(tmp_path):
    (tmp_path / "no.zip").write_bytes(b"PK no")
    with pytest.raises(RequestError, match="cannot be unpacked"), unpacked(tmp_path / "no.zip"):
        pass
    with unpacked(archive(tmp_path, "a.json")) as folder:
        assert files_in(folder.parent) == ["export/a.json"]
