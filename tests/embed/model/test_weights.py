"""A model's folder: what is saved comes back, texts stay the frozen tower's, and nothing foreign is read."""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from embed.encoder import Fingerprints, FloatArray
from embed.errors import DegluError, InputError, SpecError
from embed.model.folder import (
    FUSION,
    HEAD,
    LAYERS,
    LORA_SPEECH,
    LORA_TEXT,
    SPEC,
    TEXT,
    TRANSFORM,
    HybridSpec,
    fingerprints_of,
    read_spec,
)
from embed.model.handle import resolve_model
from embed.model.hybrid import save_hybrid
from embed.model.joint import JointEncoder
from embed.model.spec import EncoderSpec
from embed.model.weights import assemble, load_joint, load_model, save_model
from tests.towers import encoder_values, towers_in
from train.strategy import trained

Tiny = Callable[[str], str]
TEXTS = ["rain", "ou est le marché?", "a longer sentence about rice", "no"]
WAVES: list[FloatArray] = [
    np.random.default_rng(n).normal(0, 0.1, n).astype(np.float32) for n in (4960, 19_792, 800, 9000)
]
QUERY = {"bert": ["query"], "qwen3": ["q_proj", "o_proj"]}
OWN = "own-text"
# Both pairs of towers where the kind reaches into them; one or the other where it is the same on any.
SAVED = [
    pytest.param(kind, text, speech, id=f"{kind}-{text}-{speech}")
    for kind, families in {
        "fusion": ["bert"],
        "members": ["qwen3"],
        "attention": ["bert"],
        "mean": ["qwen3"],
        "lora-text": ["bert", "qwen3"],
        "lora-speech": ["bert", "qwen3"],
        "layers": ["bert"],
        "all": ["qwen3"],
        OWN: ["bert", "qwen3"],
    }.items()
    for text, speech in (("bert", "whisper"), ("qwen3", "hubert"))
    if text in families
]


def values_of(tiny: Tiny, kind: str, text: str, speech: str) -> dict[str, Any]:
    values = encoder_values(tiny, text, speech) | {"transform": True}
    if kind == "members":
        values["fusion"] = {**values["fusion"], "members": 3}
    if kind in ("attention", "mean"):
        values |= {"fusion": None, "head": {"pooling": kind, "hidden": 8 if kind == "attention" else 0}}
    adapt: dict[str, dict[str, Any]] = {
        "lora-text": {"text": {"targets": QUERY[text], "rank": 2}},
        "lora-speech": {"speech": {"targets": ["q_proj", "v_proj"], "rank": 2}},
        "layers": {"unfreeze": 1},
    }
    every = {name: value for one in adapt.values() for name, value in one.items()}
    return values | {"adapt": every if kind == "all" else adapt.get(kind, {})}


def taught(tiny: Tiny, kind: str, text: str = "bert", speech: str = "whisper", seed: int = 0) -> JointEncoder:
    """As if trained: random values, such as a half float holds, for all that is."""
    torch.manual_seed(seed)
    model = assemble(EncoderSpec.parse(values_of(tiny, kind, text, speech))).eval()
    assert model.transform is not None
    model.transform.rotation.copy_(torch.linalg.qr(torch.randn(32, 32, generator=torch.Generator().manual_seed(1)))[0])
    if kind == "mean" and model.head is not None:
        width = len(model.head.centre)
        model.head.take_ridge(torch.randn(width), torch.rand(width) + 0.5, torch.randn(width, 32), torch.randn(32))
    values = list(trained(model).values())
    if kind == OWN:
        values += [value for value in model.text.model.parameters() if value.dim() > 1]
    with torch.no_grad():
        for value in values:
            value.copy_(value.add(torch.randn_like(value), alpha=0.1).half())
    return model


def saved(model: JointEncoder, folder: Path, kind: str = "fusion") -> str:
    save_model(model, folder, "# A card\n", own_text=kind == OWN)
    return str(folder)


def prints_of(name: str) -> Fingerprints:
    return resolve_model(name).fingerprints


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory, tiny: Tiny) -> Callable[[str], tuple[str, JointEncoder]]:
    """The name and the model of texts alone, over a frozen tower, with the transform that all here have."""
    kept: dict[str, tuple[str, JointEncoder]] = {}

    def of(text: str) -> tuple[str, JointEncoder]:
        if text not in kept:
            folder = tmp_path_factory.mktemp(text)
            name = saved(taught(tiny, "fusion", text), folder)
            (folder / FUSION).unlink()
            spec = read_spec(name).model_copy(update={"speech": None, "fusion": None})
            (folder / SPEC).write_text(spec.model_dump_json(), encoding="utf-8")
            kept[text] = name, load_joint(resolve_model(name))
        return kept[text]

    return of


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "text", "speech"), SAVED)
def test_what_is_saved_comes_back(tiny: Tiny, tmp_path: Path, frozen: Any, kind: str, text: str, speech: str) -> None:
    made = taught(tiny, kind, text, speech)
    name = saved(made, tmp_path / "model", kind)
    model = load_model(resolve_model(name))
    heard = model.encode(WAVES, "query")
    assert np.allclose(heard, made.encode(WAVES, "query"), atol=1e-4)
    assert np.allclose(model.encode(TEXTS, "query"), made.encode(TEXTS, "query"), atol=1e-5)
    # Two loads, and a copy of the folder, are one model.
    shutil.copytree(name, tmp_path / "copy")
    again = load_model(resolve_model(str(tmp_path / "copy")))
    assert np.array_equal(again.encode(WAVES, "query"), heard)
    assert again.fingerprints == model.fingerprints == prints_of(name)
    # No row depends on the others; rows differ from each other by far more.
    alone = np.concatenate([model.encode([wave], "query") for wave in WAVES])
    assert (heard * alone).sum(1).min() >= 0.9999
    assert np.abs(heard - alone).max() < np.abs(heard[0] - heard[1]).max() / 100
    # Texts are the frozen tower's to the bit, unless it was trained itself; the space follows the texts.
    name_of_texts, texts_alone = frozen(text)
    same = [
        np.array_equal(model.encode(TEXTS, role), texts_alone.encode(TEXTS, role)) for role in ("query", "document")
    ]
    assert same == [kind != OWN] * 2
    assert (model.fingerprints.space == prints_of(name_of_texts).space) == (kind != OWN)


@pytest.mark.slow
@pytest.mark.parametrize("text", ["bert", "qwen3"])
def test_texts_are_the_frozen_towers_in_bfloat16_too(tiny: Tiny, tmp_path: Path, frozen: Any, text: str) -> None:
    name = saved(taught(tiny, "all", text), tmp_path)
    model, exact = load_joint(resolve_model(name), precision="bfloat16"), load_joint(resolve_model(name))
    texts_alone = load_joint(resolve_model(frozen(text)[0]), precision="bfloat16")
    assert np.array_equal(model.encode(TEXTS, "document"), texts_alone.encode(TEXTS, "document"))
    assert (model.encode(WAVES, "query") * exact.encode(WAVES, "query")).sum(1).min() > 0.99
    # What texts and speech share is in memory once.
    assert model.spoken is not None
    ours = {id(module) for module in model.text.modules() if not list(module.children())}
    theirs = [id(module) for module in model.spoken.modules() if not list(module.children())]
    assert sum(one not in ours for one in theirs) == 2 * len(QUERY[text])  # layers x targets


def test_fingerprints_tell_what_changes_vectors_and_nothing_else(tiny: Tiny, tmp_path: Path) -> None:
    first = taught(tiny, "all")
    name = saved(first, tmp_path / "first")
    base = prints_of(name)
    assert prints_of(saved(first, tmp_path / "moved")) == base
    (tmp_path / "moved" / "CARD.md").write_text("# Another card\n", encoding="utf-8")
    (tmp_path / "moved" / HEAD).write_bytes(b"of no model here")
    assert prints_of(str(tmp_path / "moved")) == base
    for file in (FUSION, LORA_TEXT, LORA_SPEECH, LAYERS, TRANSFORM):
        folder = tmp_path / file.partition(".")[0]
        shutil.copytree(name, folder)
        tensors = load_file(folder / file)
        next(iter(tensors.values())).view(-1)[0] += 1
        save_file(tensors, folder / file)
        changed = prints_of(str(folder))
        assert changed.encoder != base.encoder, file
        assert (changed.space != base.space) == (file == TRANSFORM), file


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "space", "encoder"),
    [
        ({"text": {"document": "doc: "}}, True, True),
        ({"text": {"query": "ask: "}}, False, True),
        ({"dims": [32, 8]}, True, True),
        ({"adapt": {"text": {"alpha": 8.0}}}, False, True),
        ({"speech": {"layers": [1]}}, False, True),
        ({"adapt": {"text": {"targets": ["query", "nothing"]}}}, False, False),
    ],
    ids=["document prefix", "query prefix", "dims", "alpha", "layers", "how it was trained"],
)
def test_a_spec_enters_the_fingerprints_by_what_it_changes(
    tiny: Tiny, tmp_path: Path, changes: dict[str, Any], space: bool, encoder: bool
) -> None:
    name = saved(taught(tiny, "lora-text"), tmp_path)
    spec, base = read_spec(name), prints_of(name)
    values = _merged(spec.model_dump(mode="json"), changes)
    changed = fingerprints_of(EncoderSpec.parse(values), tmp_path)
    assert ((changed.space != base.space), (changed.encoder != base.encoder)) == (space, encoder)


def _merged(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    inner = {key: _merged(values[key], one) if isinstance(one, dict) else one for key, one in changes.items()}
    return values | inner


def test_a_task_counts_where_a_query_has_a_place_for_it(tiny: Tiny, tmp_path: Path) -> None:
    spec = EncoderSpec.parse(encoder_values(tiny, speech=None))

    def encoder_of(**text: str) -> str:
        return fingerprints_of(spec.model_copy(update={"text": spec.text.model_copy(update=text)}), tmp_path).encoder

    assert encoder_of(task="find") == encoder_of(task="sort")
    assert encoder_of(task="find", query="{task}: ") != encoder_of(task="sort", query="{task}: ")


class Trap:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


@pytest.mark.slow
def test_foreign_files_are_never_read(tmp_path: Path) -> None:
    """Pickles and code beside a model, its own text tower included, change nothing; alone they are refused."""
    tiny, mark = towers_in(tmp_path / "towers"), tmp_path / "sprung"
    made = taught(tiny, OWN)
    folder = Path(saved(made, tmp_path / "model", OWN))
    before = load_joint(resolve_model(str(folder))).encode(WAVES, "query")
    places = [folder, folder / TEXT, Path(tiny("whisper"))]
    for place in places:
        for name in ("pytorch_model.bin", "model.pt", "fusion.pkl", "adapter_model.bin"):
            (place / name).write_bytes(pickle.dumps(Trap(mark)))
    assert np.array_equal(load_joint(resolve_model(str(folder))).encode(WAVES, "query"), before)
    for place, tower in ((places[1], "text"), (places[2], "speech")):
        kept = place / "model.safetensors"
        kept.rename(place / "aside")
        with pytest.raises(SpecError, match=f"{tower} tower .*pickled weights are not read"):
            load_joint(resolve_model(str(folder)))
        (place / "aside").rename(kept)
    (folder / TEXT / "adapter_config.json").write_text('{"base_model_name_or_path": "elsewhere"}', encoding="utf-8")
    with pytest.raises(SpecError, match="has an adapter"):
        load_joint(resolve_model(str(folder)))
    (folder / TEXT / "adapter_config.json").unlink()
    (folder / FUSION).unlink()
    with pytest.raises(InputError, match=rf"{FUSION}: cannot be read .*copy the complete model folder again"):
        load_joint(resolve_model(str(folder)))
    assert not mark.exists()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def _pickled(path: Path) -> None:
    torch.save({"weight": torch.ones(1)}, path)


def _narrower(path: Path) -> None:
    save_file({name: value[:1].contiguous() for name, value in load_file(path).items()}, path)


def _fewer(path: Path) -> None:
    save_file(dict(list(load_file(path).items())[1:]), path)


def _no_numbers(path: Path) -> None:
    save_file({name: value * float("nan") for name, value in load_file(path).items()}, path)


@pytest.mark.parametrize(
    ("damage", "said"),
    [(_cut, "damaged"), (_pickled, "damaged"), (_narrower, "should be|adapter"), (_fewer, "should be|adapter"),
     (_no_numbers, "not finite")],
    ids=["cut", "a pickle", "of other shapes", "with tensors missing", "of nan"],
)  # fmt: skip
@pytest.mark.parametrize("file", [FUSION, LORA_TEXT, LAYERS])
def test_damaged_weights_are_named_with_the_cure(
    whole: Path, tmp_path: Path, file: str, damage: Callable[[Path], None], said: str
) -> None:
    shutil.copytree(whole, tmp_path / "model")
    damage(tmp_path / "model" / file)
    with pytest.raises(InputError, match=said) as caught:
        load_joint(resolve_model(str(tmp_path / "model")))
    assert str(tmp_path / "model") in str(caught.value)
    assert "copy the complete model folder again" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny: Tiny) -> Path:
    return Path(saved(taught(tiny, "all"), tmp_path_factory.mktemp("whole")))


@pytest.mark.slow
@pytest.mark.parametrize("damage", [_cut, _fewer, _narrower])
def test_a_damaged_text_tower_of_ones_own_is_named(tiny: Tiny, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    folder = Path(saved(taught(tiny, OWN), tmp_path, OWN))
    damage(folder / TEXT / "model.safetensors")
    with pytest.raises(SpecError, match=str(folder / TEXT)) as caught:
        load_joint(resolve_model(str(folder)))
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_folder_is_written_anew_and_is_a_model_only_when_whole(tiny: Tiny, tmp_path: Path) -> None:
    saved(taught(tiny, "all"), tmp_path)
    saved(taught(tiny, "mean"), tmp_path, "mean")
    assert not (tmp_path / FUSION).exists()
    assert not (tmp_path / LORA_TEXT).exists()
    assert (tmp_path / HEAD).exists()
    with pytest.raises(SpecError, match="copy its folder"):
        save_model(_loaded(tiny, tmp_path / "own"), tmp_path / "elsewhere", "")
    with pytest.raises(DegluError, match="neither a released one"):
        load_model(resolve_model(str(tmp_path / "elsewhere")))


def _loaded(tiny: Tiny, folder: Path) -> JointEncoder:
    return load_joint(resolve_model(saved(taught(tiny, OWN), folder, OWN)))


def test_a_model_of_ones_own_text_tower_can_be_moved_and_read(tiny: Tiny, tmp_path: Path) -> None:
    saved(taught(tiny, OWN), tmp_path / "here", OWN)
    (tmp_path / "here").rename(tmp_path / "there")
    assert read_spec(str(tmp_path / "there")).text.name == str(tmp_path / "there" / TEXT)
    assert '"name": "./text"' in (tmp_path / "there" / SPEC).read_text(encoding="utf-8")
    assert load_joint(resolve_model(str(tmp_path / "there"))).spec.text.name == "./text"


def test_a_hybrids_insides_are_its_models(tiny: Tiny, tmp_path: Path) -> None:
    name = saved(taught(tiny, "fusion"), tmp_path)
    hybrid = tmp_path / "hybrid"
    save_hybrid(HybridSpec.parse({"model": "..", "asr": tiny("whisper")}), hybrid)
    assert read_spec(str(hybrid)) == read_spec(name)
    found, base = prints_of(str(hybrid)), prints_of(name)
    assert (found.space == base.space, found.encoder == base.encoder) == (True, False)
    with pytest.raises(SpecError, match="is a hybrid"):
        load_joint(resolve_model(str(hybrid)))
