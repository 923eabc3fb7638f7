"""What goes wrong as a user meets it: one clear line with the cure, the right exit code, no traceback."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobs.__main__ import run
from jobs.command.doors import DOORS
from tests.jobs.embedding.light_worker import LightEncodeWorker, take
from tests.towers import encoder_values, model_in

Ask = Callable[..., str]
SPECS: dict[str, dict[str, Any]] = {
    "embed": {"inputs": [{"url": "archive"}], "output": "vectors"},
    "index": {"vectors": "vectors", "output": "index"},
}


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Ask:
    """`refused(code, *arguments)`: the one line on stderr of a command that ends with this code, without result."""

    def ask(code: int, *arguments: str) -> str:
        assert run(arguments) == code
        out, err = capsys.readouterr()
        assert out == ""
        (line,) = (line for line in err.splitlines() if not line.startswith("starting: "))  # where loading takes long
        assert line.startswith("deglu: ")
        assert "internal error" not in line
        return line

    return ask


@pytest.fixture
def spec(tmp_path: Path) -> Callable[..., str]:
    """`spec(verb, field=value)`: the path of a spec that is right but for these fields."""

    def write(verb: str, **fields: Any) -> str:
        path = tmp_path / f"{verb}.yaml"
        path.write_text(yaml.safe_dump({**SPECS.get(verb, {}), **fields}))
        return str(path)

    return write


@pytest.fixture(scope="module")
def text_model(tiny: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """Tiny, random, of text alone, and of another space than `tiny_model`."""
    return model_in(tmp_path_factory.mktemp("models") / "text", encoder_values(tiny, "qwen3", None))


@pytest.fixture
def corpus(tmp_path: Path) -> str:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "rain.txt").write_text("rain in the north\n\nthe price of rice\n")
    return str(tmp_path / "corpus")


@pytest.mark.parametrize("verb", DOORS)
def test_an_unknown_field(verb: str, spec: Callable[..., str], refused: Ask) -> None:
    path = spec(verb, colour="red")
    line = refused(2, verb, path)
    assert f"{path}: unknown field 'colour'; known here: " in line
    assert "output" in line


def test_an_unknown_field_within(spec: Callable[..., str], refused: Ask) -> None:
    line = refused(2, "embed", spec("embed", segment={"windwo_s": 6}))
    assert "unknown field 'segment.windwo_s'; known here: " in line
    assert "window_s" in line


@pytest.mark.parametrize("verb", DOORS)
def test_a_missing_file(verb: str, refused: Ask) -> None:
    assert "nowhere.yaml: no such spec file; the ready ones are in deploy/specs/" in refused(2, verb, "nowhere.yaml")


def test_an_override_of_an_unknown_field(spec: Callable[..., str], refused: Ask) -> None:
    assert "unknown field 'ouput'" in refused(2, "embed", spec("embed"), "--set", "ouput=x")


def test_debug_shows_the_traceback_before_the_same_line(
    spec: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["embed", spec("embed", colour="red"), "--debug"]) == 2
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first == "Traceback (most recent call last):"
    assert "unknown field 'colour'" in last


@pytest.fixture
def refused_input(spec: Callable[..., str], text_model: str, tmp_path: Path, refused: Ask) -> Ask:
    """`refused_input(code, url)`: as `refused`; the fault is found before anything is written."""

    def ask(code: int, url: str, **fields: Any) -> str:
        values = {"inputs": [{"url": url}], "output": str(tmp_path / "out"), "model": text_model, **fields}
        line = refused(code, "embed", spec("embed", **values))
        assert not (tmp_path / "out").exists()
        return line

    return ask


def test_a_missing_folder(tmp_path: Path, refused_input: Ask) -> None:
    place = str(tmp_path / "nowhere")
    line = refused_input(1, place)
    assert f"{place}: nothing to embed: no such file, and no files below it; Deglu reads recordings" in line


def test_an_empty_folder(tmp_path: Path, refused_input: Ask) -> None:
    (tmp_path / "empty" / "within").mkdir(parents=True)
    assert "empty: nothing to embed: no such file, and no files below it" in refused_input(1, str(tmp_path / "empty"))


def test_a_folder_of_pictures(tmp_path: Path, refused_input: Ask) -> None:
    (tmp_path / "covers").mkdir()
    (tmp_path / "covers" / "monday.jpg").write_bytes(b"\xff\xd8")
    line = refused_input(1, str(tmp_path / "covers"))
    assert "only 1 picture; Deglu reads recordings, tars and .txt, .md, .rst, " in line


def test_no_input_at_all(refused_input: Ask) -> None:
    assert "field 'inputs' = []" in refused_input(2, "", inputs=[])


def test_an_address_of_another_kind(refused_input: Ask) -> None:
    line = refused_input(2, "ftp://radio.example/archive")
    assert "'ftp://radio.example/archive': neither a local path nor s3://bucket/path nor https://host/path" in line


def test_speech_for_a_model_of_text_alone(tmp_path: Path, refused_input: Ask) -> None:
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "news.mp3").write_bytes(bytes(100))
    assert "encodes text only, but the inputs contain speech; choose another model" in refused_input(
        2, str(tmp_path / "archive")
    )


def test_a_model_that_is_not_there(corpus: str, refused_input: Ask) -> None:
    assert "model 'nosuch' is neither a released one" in refused_input(2, corpus, model="nosuch")


@pytest.fixture
def refused_on_s3(s3_server: str, spec: Callable[..., str], text_model: str, corpus: str, refused: Ask) -> Ask:
    """`refused_on_s3(url, output)`: the line of `deglu embed`; the url "" is the local corpus."""

    def ask(url: str, output: str) -> str:
        inputs = [{"url": url or corpus}]
        return refused(1, "embed", spec("embed", inputs=inputs, output=output, model=text_model))

    return ask


@pytest.mark.s3
def test_a_missing_bucket_to_read(tmp_path: Path, s3_server: str, refused_on_s3: Ask) -> None:
    line = refused_on_s3("s3://nosuch/archive", str(tmp_path / "out"))
    assert f"there is no bucket 'nosuch' at {s3_server}; create it or correct the name" in line


@pytest.mark.s3
def test_a_missing_bucket_to_write(s3_server: str, refused_on_s3: Ask) -> None:
    assert f"there is no bucket 'nosuch' at {s3_server}; create it" in refused_on_s3("", "s3://nosuch/vectors")


@pytest.mark.s3
def test_wrong_credentials(s3_url: str, refused_on_s3: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    line = refused_on_s3(f"{s3_url}/archive", f"{s3_url}/vectors")
    assert "refuses the credentials (SignatureDoesNotMatch); check AWS_ACCESS_KEY_ID and AWS_SECRET" in line
    assert "not-the-secret" not in line


@pytest.mark.s3
@pytest.mark.parametrize("verb", ["status", "failures"])
def test_the_verbs_that_only_read(verb: str, s3_url: str, refused: Ask) -> None:
    assert "there is no bucket 'nosuch'" in refused(1, verb, "s3://nosuch/vectors")
    assert "there is no output of `deglu embed` here; check the address" in refused(1, verb, f"{s3_url}/nothing")


@pytest.mark.s3
def test_an_index_in_a_missing_bucket(s3_server: str, refused: Ask) -> None:
    assert "there is no bucket 'nosuch'" in refused(1, "query", "s3://nosuch/index", "--text", "rain")


@pytest.mark.s3
def test_an_empty_prefix(s3_url: str, tmp_path: Path, refused_on_s3: Ask) -> None:
    assert "nothing to embed: no such file" in refused_on_s3(f"{s3_url}/never-written", str(tmp_path / "out"))


@pytest.mark.ray
def test_an_archive_of_no_known_container(
    ray_session: None,
    spec: Callable[..., str],
    tmp_path: Path,
    tiny_model: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The job goes through, ends 1 as nothing was embedded, and tells each file by name."""
    take(LightEncodeWorker, monkeypatch)
    archive, output = tmp_path / "archive", str(tmp_path / "out")
    archive.mkdir()
    (archive / "noise.wav").write_bytes(bytes(range(256)) * 8)
    (archive / "page.mp3").write_text("<html>not found</html>")
    path = spec("embed", inputs=[{"url": str(archive)}], output=output, model=tiny_model)
    assert run(["embed", path]) == 1
    out, err = capsys.readouterr()
    assert f"2 failures; see with: deglu failures {output}" in out
    assert "Traceback" not in err

    assert run(["failures", output, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["failures"]
    assert [row["uri"] for row in told] == ["archive/noise.wav", "archive/page.mp3"]
    assert {row["error_class"] for row in told} == {"UnsupportedFormat"}
    assert all(f"{archive}/" in row["message"] for row in told)


@pytest.fixture(scope="module")
def built(ray_session: None, tiny_model: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """`built(name)`: the place of the `corpus`, the `vectors` and the `index` of a small text."""
    home = tmp_path_factory.mktemp("built")
    (home / "corpus").mkdir()
    (home / "corpus" / "rain.txt").write_text("rain in the north\n\nthe price of rice\n")
    place = {name: str(home / name) for name in ("corpus", "vectors", "index")}
    jobs = {
        "embed": {"inputs": [{"url": place["corpus"]}], "output": place["vectors"], "model": tiny_model},
        "index": {"vectors": place["vectors"], "output": place["index"], "code_dim": 16},
    }
    with pytest.MonkeyPatch.context() as patch:
        take(LightEncodeWorker, patch)
        for verb, fields in jobs.items():
            (home / f"{verb}.yaml").write_text(yaml.safe_dump(fields))
            assert run([verb, str(home / f"{verb}.yaml")]) == 0
    return place.__getitem__


@pytest.mark.ray
def test_a_width_that_is_not_declared(
    built: Callable[[str], str], tiny_model: str, spec: Callable[..., str], refused: Ask
) -> None:
    cure = "declares the dims 32, 16, 8; choose one of these"
    index = built("index")
    line = refused(2, "query", index, "--text", "rain", "--dim", "77", "--model", tiny_model)
    assert f"dim = 77: {index} {cure}" in line
    path = spec("index", vectors=built("vectors"), output=index + "-other", code_dim=77)
    assert f"code_dim = 77: {built('vectors')} {cure}" in refused(2, "index", path)


@pytest.mark.ray
def test_a_question_of_another_space(built: Callable[[str], str], text_model: str, refused: Ask) -> None:
    line = refused(1, "query", built("index"), "--text", "rain", "--model", text_model)
    assert f"{built('index')} is in space " in line
    assert f"model {text_model!r} is in space " in line
    assert f"ask with the model that embedded {built('vectors')} (--model of `deglu query`)" in line


@pytest.mark.ray
def test_vectors_of_two_models_in_one_place(
    built: Callable[[str], str], text_model: str, spec: Callable[..., str], refused: Ask
) -> None:
    fields = {"inputs": [{"url": built("corpus")}], "output": built("vectors"), "model": text_model}
    line = refused(2, "embed", spec("embed", **fields))
    assert f"{built('vectors')} was begun with another spec: " in line
    assert "space is " in line
    assert line.endswith("; choose another output, or embed into this one again with --new-version")


@pytest.mark.ray
def test_other_settings_for_the_same_index(built: Callable[[str], str], spec: Callable[..., str], refused: Ask) -> None:
    path = spec("index", vectors=built("vectors"), output=built("index"), code_dim=8)
    line = refused(2, "index", path)
    assert "was built with other settings (code_dim 16 -> 8); add --new-version" in line


@pytest.mark.ray
def test_nothing_there(built: Callable[[str], str], tiny_model: str, spec: Callable[..., str], refused: Ask) -> None:
    nowhere = built("index") + "-not"
    line = refused(1, "query", nowhere, "--text", "rain")
    assert f"{nowhere}: no index here; build one with `deglu index SPEC`" in line
    line = refused(1, "index", spec("index", vectors=nowhere))
    assert f"{nowhere}: no version is published here" in line
    line = refused(1, "query", built("index"), "--audio", f"{nowhere}.wav", "--model", tiny_model)
    assert f"{nowhere}.wav: no such file; check the path" in line
