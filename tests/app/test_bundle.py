"""The browser gets Vega from a file of this machine."""

from pathlib import Path

from app.bundle import STATIC, bundle_path, ensure_bundle, module_url


def test_the_bundle_is_made_once_and_stands_alone(tmp_path: Path):
    path = ensure_bundle(tmp_path)
    text = path.read_text()
    assert "as vegaEmbed" in text
    assert 'from"http' not in text
    path.write_text("kept")
    assert ensure_bundle(tmp_path).read_text() == "kept"
    assert list(tmp_path.iterdir()) == [path]


def test_the_bundle_is_not_a_tracked_file():
    assert bundle_path().name.endswith(".bundle.js")
    assert "app/static/*.bundle.js" in (STATIC.parents[1] / ".gitignore").read_text().split()


def test_a_changed_module_has_another_address(tmp_path: Path):
    (tmp_path / "m.js").write_text("1")
    before = module_url("m.js", tmp_path)
    (tmp_path / "m.js").write_text("2")
    assert module_url("m.js", tmp_path) != before
