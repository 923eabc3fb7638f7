"""Secrets in urls: hidden in every text, refused in specs, never written to a manifest."""

import json
import logging
import sys
from collections.abc import Iterable
from copy import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from embed.archive.inputs import InputSpec
from embed.archive.manifest import list_assets
from embed.archive.utterance_lists import PATH
from embed.errors import DegluError, InputError, SpecError
from embed.redaction import has_user, redacted
from embed.spec import EmbedSpec
from embed.storage import store
from embed.tables import failure_row
from jobs.__main__ import run
from jobs.command.progress import Lines

SECRET = "hunter2/Zq+"
URLS = {
    f"s3://AKIA:{SECRET}@bucket/a.mp3": "s3://***@bucket/a.mp3",
    f"s3://{SECRET.partition('/')[0]}@bucket/a.mp3": "s3://***@bucket/a.mp3",
    f"https://user:{SECRET}@radio.example:8080/a.mp3": "https://***@radio.example:8080/a.mp3",
    f"https://radio.example/a.mp3?token={SECRET}": "https://radio.example/a.mp3?token=***",
    f"https://b.s3.example/a?X-Amz-Date=1&X-Amz-Signature={SECRET}&x=1": (
        "https://b.s3.example/a?X-Amz-Date=1&X-Amz-Signature=***&x=1"
    ),
    f"https://b.example/a?AWSAccessKeyId={SECRET}&Expires=5": "https://b.example/a?AWSAccessKeyId=***&Expires=5",
    f"https://b.blob.example/a?sv=2020&sig={SECRET}": "https://b.blob.example/a?sv=2020&sig=***",
    f"gs://b/a?X-Goog-Signature={SECRET}": "gs://b/a?X-Goog-Signature=***",
    f"https://radio.example/a#access_token={SECRET}": "https://radio.example/a#access_token=***",
    f"postgresql://deglu:{SECRET}@db/radio?sslmode=require": "postgresql://***@db/radio?sslmode=require",
}
HARMLESS = (
    "s3://bucket/mail@radio.sn/a.mp3", "http://127.0.0.1:8333/a@b", "https://h/?monkey=1&keyword=2&design=3&page=4",
    "/data/what?token=5.wav", "price: 5; user:name@radio.sn", "s3://bucket/a=b&c.mp3",
)  # fmt: skip


@pytest.mark.parametrize(("url", "shown"), URLS.items(), ids=[url.split("hunter2")[0] for url in URLS])
def test_a_secret_is_hidden_and_refused(url: str, shown: str) -> None:
    assert redacted(f"'{url}': no such file; {url}") == f"'{shown}': no such file; {shown}"
    assert redacted(shown) == shown
    for error in (DegluError(f"{url}: gone"), copy(InputError(f"{url}: gone"))):
        assert str(error) == f"{shown}: gone"
    values = {"inputs": [{"url": "archive"}], "output": "out", "model": "demo"}
    wrong: dict[str, dict[str, Any]] = {
        "inputs.0.url": {"inputs": [{"url": url}]},
        "output": {"output": url},
        "inputs.0.metadata.source": {"inputs": [{"url": "archive", "metadata": {"source": url}}]},
    }
    for field, fields in wrong.items():
        with pytest.raises(SpecError, match="a url must contain no password") as refused:
            EmbedSpec.parse({**values, **fields})
        assert f"field {field!r} = {shown!r}: " in str(refused.value)
    if has_user(url):
        with pytest.raises(SpecError):
            store.absolute(url)


@pytest.mark.parametrize("text", HARMLESS)
def test_other_texts_stay(text: str) -> None:
    assert redacted(text) == text
    assert not has_user(text)
    assert EmbedSpec.parse({"inputs": [{"url": "archive"}], "output": text, "model": "demo"}).output == text


@pytest.mark.slow
def test_no_secret_is_printed_written_or_logged(
    tmp_path: Path, tiny_model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Grep of all that comes out: of specs, overrides, urls on the command line, lists, side files, failures."""
    archive = tmp_path / "archive"
    archive.mkdir()
    (archive / "news.txt").write_text("the rain came early")
    (archive / "list.jsonl").write_text(list_of(URLS))
    (archive / "metadata.csv").write_text("file_name\n" + "\n".join(URLS))
    values = {"inputs": [{"url": str(archive)}], "output": str(tmp_path / "out"), "model": tiny_model}
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(yaml.safe_dump(values))
    for url in list(URLS)[:4]:
        bad.write_text(yaml.safe_dump({**values, "inputs": [{"url": url}]}))
        submitted = ["submit", "embed", str(good), "--address", "http://127.0.0.1:9"]
        for arguments in (
            *(["embed", str(bad), *options] for options in ([], ["--debug"], ["--dry-run"], ["--dry-run", "--json"])),
            *([verb, str(bad)] for verb in ("plan", "retry")),
            ["embed", str(good), "--set", f"output={url}"],
            [*submitted, "--set", f"inputs.0.url={url}"],
            *([verb, url] for verb in ("status", "failures", "verify") if has_user(url)),
            ["query", url, "--text", "rain"],
            ["forget", url, "--asset", url],
        ):
            assert run(arguments) != 0
    Lines(sys.stderr).note(f"listing {', '.join(URLS)}")
    unit = {"unit_id": b"", "asset_id": b"", "uri": "a", "start": 0, "end": 1}
    assets = list_assets([InputSpec.parse({"url": str(archive), "name": "archive"})])
    assert assets.num_rows >= 3
    logging.getLogger("deglu").warning("read %s", next(iter(URLS)))
    out, err = capsys.readouterr()
    shown = [out, err, str(assets.to_pylist()), *(failure_row(unit, "cut", "X", url)["message"] for url in URLS)]
    assert not [text for text in shown if "hunter2" in text]
    assert "https://***@radio.example:8080/a.mp3" in err


@pytest.mark.s3
def test_a_presigned_url_of_a_list_that_leads_nowhere(tmp_path: Path, s3_server: str) -> None:
    """The manifest has it, as a file that is missing, without its signature."""
    (tmp_path / "list.jsonl").write_text(list_of([f"s3://test/gone.wav?X-Amz-Signature={SECRET}"]))
    (tmp_path / "news.txt").write_text("the rain came early")
    assets = list_assets([InputSpec.parse({"url": str(tmp_path), "name": "archive"})]).to_pylist()
    assert [one["uri"] for one in assets] == ["archive/test/gone.wav?X-Amz-Signature=***#t=0,1", "archive/news.txt"]
    assert "hunter2" not in str(assets)


def list_of(urls: Iterable[str]) -> str:
    """A list of utterances."""
    return "\n".join(json.dumps({PATH: url, "offset": 0, "duration": 1}) for url in urls)
