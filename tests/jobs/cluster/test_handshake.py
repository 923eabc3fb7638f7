"""Proofs of the handshake, each by a machine that lacks it; test_machine_faults.py has them on a cluster."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from embed.machine import MachineFault
from jobs.cluster.handshake import MARK, MODEL, NETWORK, TOWER, File, Terms, Weights, check, local_files, marked, prove
from tests.towers import Tiny

NAMES = ("deglu", "model", "storage", "room")


def fault_of(terms: Terms) -> tuple[str, str]:
    """The one proof that fails, and its fault."""
    (found,) = [(name, fault) for name, fault in prove(terms).items() if fault]
    with pytest.raises(MachineFault) as raised:
        check(terms)
    assert str(raised.value) == found[1]
    return found


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder with an output, an input that grows, and one that is short."""
    for name, text in {"out/job.json": "nonce", "in/a.wav": "some sound", "in/b.wav": ""}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def terms_at(folder: Path, tiny_model: str = "") -> Terms:
    files = (
        File.of("output", str(folder / "out" / "job.json")),
        *local_files("inputs", [str(folder / "in" / "a.wav")]),
    )
    weights = (
        Weights.of(NETWORK, "segment", "silero-vad"),
        *([Weights.of(MODEL, "model", tiny_model)] if tiny_model else []),
    )
    return Terms(weights, files, (("output", str(folder / "out")),))


def test_a_machine_like_the_drivers_proves_all_and_nothing_is_left(shared: Path, tiny_model: str, tiny: Tiny) -> None:
    terms = terms_at(shared, tiny_model)
    terms = replace(terms, weights=(*terms.weights, Weights.of(TOWER, "encoder.text.name", tiny("bert"))))
    (shared / "in" / "a.wav").write_text("some sound, and what came meanwhile")
    assert prove(terms) == dict.fromkeys(NAMES, "")
    check(terms)
    assert [path.name for path in (shared / "out").iterdir()] == ["job.json"]


def test_other_code_of_the_same_version() -> None:
    check(Terms(installed="0.1.0 (00000000)"))  # the driver's own files, edited since it began
    name, fault = fault_of(Terms(installed="0.1.0 (00000000)", place="head:/opt/deglu"))
    assert name == "deglu"
    assert "the driver has 0.1.0 (00000000): install the driver's version in the python of its Ray" in fault


def test_other_weights_at_the_path_of_the_model(shared: Path, tiny_model: str, tiny: Tiny, tmp_path: Path) -> None:
    """Of a model, of a tower of a training, of the network that finds speech; and a folder that is missing."""
    other = tmp_path / "other"
    shutil.copytree(tiny_model, other)
    weights = other / "fusion.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\x80\x3f")
    mine = Weights.of(MODEL, "model", tiny_model)
    towers = Weights.of(TOWER, "encoder.text.name", tiny("bert"))
    for one, cure in (
        (replace(mine, name=str(other)), "give an s3:// url, or copy the driver's folder there"),
        (replace(towers, name=tiny("whisper")), "copy the driver's folder there"),
        (Weights(NETWORK, "segment", "silero-vad", "0" * 64), "install the same version of its package"),
    ):
        name, fault = fault_of(Terms((one,)))
        assert name == "model"
        assert fault.startswith(f"{one.field} = {one.name}: other weights are there (")
        assert cure in fault
    _, fault = fault_of(Terms((replace(mine, name=str(tmp_path / "nowhere")),)))
    assert "is neither a released one" in fault


@pytest.mark.parametrize(("change", "words"), [("gone", "is missing there"), ("other", "has other contents there")])
@pytest.mark.parametrize("field", ["output", "inputs"])
def test_a_folder_that_is_not_the_drivers(shared: Path, field: str, change: str, words: str) -> None:
    terms, file = terms_at(shared), shared / ("out/job.json" if field == "output" else "in/a.wav")
    file.unlink()
    if change == "other":
        file.write_text("a file of another archive")
    name, fault = fault_of(terms)
    assert name == "storage"
    assert fault.startswith(f"{field}: {file} {words}, so that the folder is not shared: give an s3:// url, or mount")


def test_an_output_that_is_not_shared_is_not_made_there(shared: Path) -> None:
    terms = terms_at(shared)
    shutil.rmtree(shared / "out")
    fault_of(terms)
    assert not (shared / "out").exists()


def test_an_output_that_cannot_be_written(shared: Path) -> None:
    """A folder below a file: what may be written depends on who runs the tests."""
    terms = replace(terms_at(shared), folders=(("output", str(shared / "out" / "job.json" / "below")),))
    name, fault = fault_of(terms)
    assert name == "storage"
    assert fault.startswith(f"output cannot be written there: {terms.folders[0][1]}: ")


@pytest.mark.parametrize("where", ["local", "s3"])
def test_a_mark_is_seen_by_those_who_share_the_folder(
    where: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = str(tmp_path / "work") if where == "local" else f"{request.getfixturevalue('s3_url')}/marked"
    with marked("work", url) as mark:
        assert prove(Terms(files=(mark,), folders=(("work", url),))) == dict.fromkeys(NAMES, "")
        assert MARK in mark.url
    name, fault = fault_of(Terms(files=(mark,)))
    assert name == "storage"
    assert fault.startswith("work: ")


def test_inputs_are_sampled_and_one_that_the_driver_cannot_read_is_left_to_its_unit(tmp_path: Path) -> None:
    urls = [str(tmp_path / f"{number}.txt") for number in range(9)]
    for url in urls[1:]:
        Path(url).write_text("text")
    assert [os.path.basename(file.url) for file in local_files("inputs", [*urls, *urls])] == ["3.txt", "6.txt"]
    assert local_files("inputs", ["s3://bucket/a.wav"]) == ()
