"""The promises of docs/architecture.md and DESIGN.md that can be read from the code, each held against every file."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ["core", "data", "training", "dashboard", "pages"]
FILES = [path for layer in LAYERS for path in sorted((ROOT / layer).rglob("*.py"))]

DATABASE = {"sqlalchemy", "sqlite3", "psycopg", "psycopg2"}
BROWSER = {"streamlit", "streamlit_drawable_canvas", "plotly"}
LEARNING = {"torch", "transformers", "accelerate", "kornia", "tokenizers", "safetensors", "onnx", "onnxruntime"}
COMPUTING = {"numpy", "scipy", "skimage", "pycocotools", "PIL", "sklearn", "subprocess", "multiprocessing"}
UNKNOWN = {
    "core": DATABASE | BROWSER | {"jinja2", "typer", "typst"},  # pure: no files of a run, no database, no Streamlit
    "data": BROWSER | LEARNING | {"typer", "typst", "core.train", "core.models"},  # not how a model is made or trained
    "training": BROWSER,
    "dashboard": DATABASE | LEARNING,
    "pages": DATABASE | LEARNING | COMPUTING,  # fetch, let choose, show
}
"""What a layer must not know. Imports run one way, so what no file of a layer or below it imports is not reached through others."""
ALLOWED_NAMES = {"core.models.names"}


def imported(path: Path) -> set[str]:
    """Every module the file imports, wherever in it, with the packages above it: `core.models.clipseg`, `core.models`, `core`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("importlib.import_module", "import_module", "__import__"):
            names |= {str(ast.literal_eval(argument)) for argument in node.args[:1] if isinstance(argument, ast.Constant)}
    names -= {name for name in names if any(name == kept or name.startswith(f"{kept}.") for kept in ALLOWED_NAMES)}
    return {".".join(parts[: end + 1]) for name in names for parts in [name.split(".")] for end in range(len(parts))}


def each(files):
    return pytest.mark.parametrize("path", files, ids=lambda path: str(path.relative_to(ROOT)))


@each(FILES)
def test_imports_run_one_way(path):
    layer = path.relative_to(ROOT).parts[0]
    assert not imported(path) & set(LAYERS[LAYERS.index(layer) + 1 :])


@each(FILES)
def test_a_layer_does_not_know_what_is_not_its_own(path):
    assert not imported(path) & UNKNOWN[path.relative_to(ROOT).parts[0]]


@each(FILES)
def test_every_file_says_what_it_is(path):
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))


@each([path for path in FILES if path.parent.name == "pages"])
def test_a_page_is_read_from_top_to_bottom_and_knows_neither_its_neighbours_nor_sql(path):
    tree, text = ast.parse(path.read_text("utf-8")), path.read_text("utf-8")
    assert "pages" not in imported(path)
    assert "__main__" not in text
    assert not [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    assert not re.search(r"\b(SELECT\s.+\sFROM|INSERT INTO|UPDATE\s\w+\sSET|DELETE FROM)\b", text)


def test_sql_is_spoken_in_the_store_alone():
    """Elsewhere only its errors are known: a run records that the disk is full."""
    speaks = re.compile(rf"({'|'.join(DATABASE)})\.(?!exc\b)")
    speakers = {path.parent.relative_to(ROOT).as_posix() for path in FILES if any(map(speaks.match, imported(path)))}
    assert speakers == {"data/store"}


def test_the_pages_are_those_of_the_navigation():
    entry = (ROOT / "dashboard" / "app.py").read_text("utf-8")
    names = {path.stem for path in (ROOT / "pages").glob("*.py")} - {"__init__"}
    assert {name for name in names if f'"{name}": (' in entry} == names


def test_no_file_of_the_dashboard_hides_another_module():
    """Its folder comes first on the path when Streamlit runs its entry."""
    names = {path.stem for path in (ROOT / "dashboard").iterdir()} - {"__init__"}
    assert not names & {*LAYERS, *sys.stdlib_module_names, *BROWSER, *LEARNING, *DATABASE, *COMPUTING}


def test_no_module_is_a_drawer_for_anything():
    assert not [path for path in FILES if re.search(r"\b(utils?|helpers?|misc|common|managers?)\b", path.stem.replace("_", " "))]


def test_the_folders_of_the_tests_are_those_of_the_code():
    tests = ROOT / "tests"
    folders = {path.parent.relative_to(tests) for path in tests.rglob("test_*.py")} - {Path(), Path("browser"), Path("hostile")}
    assert len(folders) > 15
    assert not [folder for folder in folders if not (ROOT / folder).is_dir()]
    assert not list(tests.rglob("__init__.py"))  # a tests/core/__init__.py would hide the real core


ROOMS = {path.parent.relative_to(ROOT) for path in FILES if path.name != "__init__.py"}


@pytest.mark.parametrize("room", sorted(ROOMS - {Path("data")}), ids=str)  # what is in front there, `Workspace`, is in every test
def test_every_room_of_the_code_has_its_tests(room):
    assert list((ROOT / "tests" / room).glob("test_*.py"))


def test_architecture_names_every_room():
    table = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    assert not [room for room in sorted(ROOMS) if f"`{room.as_posix()}" not in table]


def test_torch_comes_in_only_where_something_is_looked_at_or_trained():
    """It takes seconds to import: the command line's help, and every page but the Prompt lab, open without it."""
    pages = [path for path in sorted((ROOT / "pages").glob("*.py")) if path.stem != "prompt_lab"]
    imports = [node for path in pages for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.ImportFrom)]
    modules = sorted({"training.cli", *(node.module for node in imports if node.module)})
    code = f"import sys, {', '.join(modules)}; sys.exit('torch' in sys.modules)"
    assert len(modules) > 20
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False).returncode == 0
