from data.synthetic.demo import ensure_demo
from data.workspace import Workspace


def test_a_demo_workspace_is_made_once(tmp_path):
    workspace, told = Workspace.open(tmp_path), []
    store = workspace.store
    ensure_demo(workspace, lambda *step: told.append(step), size_hw=(64, 96))
    samples = store.samples()
    assert len(samples) > 70
    assert {(s.class_name, s.split) for s in samples} == {(c, s) for c in ("cracks", "taping") for s in ("train", "val", "test")}
    assert any(s.box_only for s in samples)
    assert told
    told.clear()
    ensure_demo(workspace, lambda *step: told.append(step), size_hw=(64, 96))
    assert store.samples() == samples
    assert not told
    store.close()
