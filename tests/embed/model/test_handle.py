"""A model's handle: resolved once, with all that its folder says."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from embed.errors import SpecError
from embed.model.folder import HYBRID, OWN_TEXT, SPEC, TEXT
from embed.model.handle import resolve_model
from embed.storage.store import write_bytes
from tests.towers import encoder_values, model_in

Tiny = Callable[[str], str]


@pytest.fixture
def model(tiny: Tiny, tmp_path: Path) -> Path:
    return Path(model_in(tmp_path / "model", encoder_values(tiny)))


def test_it_holds_what_the_folder_says(model: Path) -> None:
    found = resolve_model(str(model))
    assert (found.name, found.folder, found.lasting_name) == (str(model), model, str(model))
    assert found.speaks
    assert found.plain is found
    assert found.hybrid is None
    assert found == resolve_model(str(model))


def test_a_lasting_name_is_good_from_anywhere(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(model.parent)
    found = resolve_model(model.name)
    monkeypatch.chdir("/")
    assert found.lasting_name == str(model)
    assert resolve_model(found.lasting_name).fingerprints == found.fingerprints


def test_a_hybrid_has_its_models_spec_and_fingerprints_of_its_own(model: Path, tiny: Tiny) -> None:
    hybrid = model / "hybrid"
    hybrid.mkdir()
    (hybrid / HYBRID).write_text(json.dumps({"model": "..", "asr": tiny("whisper")}))
    found, inner = resolve_model(str(hybrid)), resolve_model(str(model))
    assert found.inner is not None
    assert (found.spec, found.inner.fingerprints) == (inner.spec, inner.fingerprints)
    assert found.fingerprints.space == inner.fingerprints.space
    assert found.fingerprints.encoder != inner.fingerprints.encoder
    assert found.plain.folder.resolve() == model.resolve()


def test_a_text_tower_of_its_own_is_found_where_the_folder_is(model: Path, tiny: Tiny) -> None:
    values = json.loads((model / SPEC).read_text())
    values["text"]["name"] = OWN_TEXT
    (model / SPEC).write_text(json.dumps(values))
    shutil.copytree(tiny("bert"), model / TEXT)
    assert resolve_model(str(model)).spec.text.name == str(model / TEXT)


def test_its_spec_is_read_once(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads, read = list[Path](), Path.read_text

    def counted(path: Path, *args: Any, **kwargs: Any) -> str:
        reads.append(path)
        return read(path, *args, **kwargs)

    monkeypatch.setattr(Path, "read_text", counted)
    resolve_model(str(model))
    assert reads.count(model / SPEC) == 1


def test_what_is_no_model_is_named() -> None:
    with pytest.raises(SpecError, match="'nosuch' is neither a released one"):
        resolve_model("nosuch")


@pytest.mark.s3
def test_a_model_on_s3_is_fetched_once_and_again_when_it_has_changed(
    model: Path, tiny: Tiny, s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEGLU_CACHE", str(tmp_path / "cache"))
    (model / "hybrid").mkdir()
    (model / "hybrid" / HYBRID).write_text(json.dumps({"model": "..", "asr": tiny("whisper")}))
    url = f"{s3_url}/{tmp_path.name}"
    for path in model.rglob("*"):
        if path.is_file():
            write_bytes(f"{url}/{path.relative_to(model)}", path.read_bytes())
    write_bytes(f"{url}/tensorboard/events", b"1")
    here, there = resolve_model(str(model)), resolve_model(url)
    assert (there.name, there.lasting_name) == (url, url)
    assert (there.spec, there.fingerprints) == (here.spec, here.fingerprints)
    assert not (there.folder / "tensorboard").exists()
    write_bytes(f"{url}/tensorboard/events", b"12")
    assert resolve_model(f"{url}/").folder == there.folder
    hybrid = resolve_model(f"{url}/hybrid")
    assert hybrid.fingerprints == resolve_model(str(model / "hybrid")).fingerprints
    write_bytes(f"{url}/CARD.md", b"of another training")
    assert resolve_model(url).folder != there.folder
    with pytest.raises(SpecError, match="neither a released one"):
        resolve_model(f"{url}-nowhere")
