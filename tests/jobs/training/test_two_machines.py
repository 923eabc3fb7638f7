"""A training on two machines that share nothing but S3: in a mount namespace of its own the second sees no file of the
first's archive, cache or work folder."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from embed.model.weights import load_encoder
from embed.storage import store
from evaluate.bench.s3_server import S3Server
from tests.chaos_cluster import Nodes, driver, nodes, wait_for
from tests.conftest import point_to
from tests.towers import Tiny, encoder_values
from tests.train.lesson import make_clips

pytestmark = [pytest.mark.campaign, pytest.mark.cluster, pytest.mark.s3, pytest.mark.timeout(900)]

ENDS_WITHIN_S = 600
PROGRAM = "from jobs import __main__; __main__.main()"


def _may_hide() -> bool:
    tried = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return (
        shutil.which("unshare") is not None and subprocess.run(tried, capture_output=True, check=False).returncode == 0
    )


@contextmanager
def another_machine(cluster: Nodes, hidden: Path, log: Path) -> Iterator[None]:
    """A node of one core that finds `hidden` empty."""
    ray = Path(sys.executable).parent / "ray"
    command = f"mount -t tmpfs none {hidden} && exec {ray} start --address=$RAY_ADDRESS --num-cpus=1 --block"
    with log.open("w") as file:
        process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", command], env=cluster.environment, stdout=file, stderr=file
        )
    try:
        wait_for(lambda: process.poll() is not None or "Ray runtime started" in log.read_text(), 120)
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(not _may_hide(), reason="this user may not make a mount namespace")
def test_two_machines_that_share_only_s3_train_a_model(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clips, features, checkpoints and the model are on S3; the towers are on both, as packages are."""
    hidden = tmp_path / "driver"
    hidden.mkdir()
    with S3Server(tmp_path) as server:
        point_to(server.endpoint, monkeypatch)
        monkeypatch.setenv("DEGLU_CACHE", str(hidden / "cache"))
        url = "s3://test/training"
        write_manifest(url, tmp_path / "clips")
        spec = hidden / "train.yaml"
        spec.write_text(
            yaml.safe_dump(
                {
                    "encoder": encoder_values(tiny),
                    "sources": [{"name": "manifest", "url": f"{url}/clips.jsonl"}],
                    "target_langs": ["en"],
                    "manuals": False,
                    "optimiser": {"epochs": 2, "batch": 4},
                    "output": f"{url}/model",
                    "work": f"{url}/work",
                    "workers": 2,
                }
            )
        )
        with nodes(tmp_path, 0) as cluster:
            cluster.add_node(num_cpus=1)
            with another_machine(cluster, hidden, tmp_path / "second.log"):
                with driver(spec, cluster, verb="train", program=PROGRAM) as process:
                    code = process.wait(ENDS_WITHIN_S)
                log = spec.with_suffix(".log").read_text(errors="replace")
                assert code == 0, log
        assert "given up" not in log
        assert load_encoder(f"{url}/model").encode(["rain"], "query").shape == (1, 32)
    assert not any(path.suffix == ".safetensors" for path in (hidden / "cache" / "train").rglob("*"))


def write_manifest(url: str, folder: Path) -> None:
    lines = []
    for clip in make_clips(folder, 6):
        name = Path(clip.uri).name
        store.write_bytes(f"{url}/sound/{name}", Path(clip.uri).read_bytes())
        row = {"audio_filepath": f"sound/{name}", "text": clip.text, "lang": clip.lang}
        lines.append(json.dumps({**row, "translations": dict(clip.translations)}))
    store.write_bytes(f"{url}/clips.jsonl", "\n".join(lines).encode())
