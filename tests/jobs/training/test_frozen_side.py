"""What is frozen: fitted and encoded once, found again by every worker, new where what went in has changed."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from embed.model.joint import JointEncoder
from embed.storage import store
from jobs.training import frozen_side as module
from jobs.training.frozen_side import frozen_side, frozen_targets
from tests.towers import Tiny
from tests.train.lesson import lesson_spec
from train.curate.clip import Clip
from train.spec import TrainSpec

LETTERS = list("abcdefghijklmnop ")


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    """Enough texts for a transform; their recordings are nobody's affair here."""
    chance = np.random.default_rng(0)

    def clip(number: int) -> Clip:
        texts = {lang: "".join(chance.choice(LETTERS, 12)) for lang in ("en", "fr", "wo")}
        return Clip("own", f"own:{number}", "fr", texts["fr"], f"{number}.wav", texts, duration_s=1.0, size=1)

    return [clip(number) for number in range(40)]


def spec_of(tiny: Tiny, **changed: Any) -> TrainSpec:
    return lesson_spec(tiny, manuals=False, **changed)


def vectors(model: JointEncoder) -> Any:
    return model.encode(["rain", "the sun is up"], "document")


@pytest.mark.slow
def test_every_worker_has_the_same_transform(
    tiny: Tiny, clips: list[Clip], storage_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(tiny)
    first = frozen_side(spec, clips, storage_url)
    assert first.transform is not None
    assert not torch.equal(first.transform.rotation, torch.eye(32))
    monkeypatch.setattr(module, "nesting_texts", lambda *_: pytest.fail("fitted again"))
    np.testing.assert_array_equal(vectors(first), vectors(frozen_side(spec, clips, storage_url)))


@pytest.mark.slow
def test_what_the_fit_does_not_depend_on_shares_it(tiny: Tiny, clips: list[Clip], tmp_path: Path) -> None:
    plain = spec_of(tiny)
    frozen_side(plain, clips, str(tmp_path))
    headed = {**plain.encoder.model_dump(), "fusion": None, "head": {"pooling": "mean"}}
    frozen_side(spec_of(tiny, strategy="dual", encoder=headed), clips, str(tmp_path))
    frozen_side(spec_of(tiny, seed=1), clips, str(tmp_path))  # trainings of several seeds share one space
    assert len(list(tmp_path.iterdir())) == 1
    other = [replace(clips[0], translations={**clips[0].translations, "en": "changed"}), *clips[1:]]
    frozen_side(plain, other, str(tmp_path))
    assert len(list(tmp_path.iterdir())) == 2


def test_a_tower_without_transform_keeps_nothing(tiny: Tiny, clips: list[Clip], tmp_path: Path) -> None:
    encoder = {**spec_of(tiny).encoder.model_dump(), "transform": False}
    assert frozen_side(spec_of(tiny, encoder=encoder), clips, str(tmp_path)).transform is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_targets_are_encoded_once_a_language(
    tiny: Tiny, clips: list[Clip], storage_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[str] = []
    encode = JointEncoder.encode

    def counted(self: JointEncoder, batch: Sequence[Any], *rest: Any) -> Any:
        encoded.extend(batch)
        return encode(self, batch, *rest)

    model = frozen_side(spec_of(tiny, target_langs=["en"]), clips, storage_url)
    monkeypatch.setattr(JointEncoder, "encode", counted)
    two = frozen_targets(spec_of(tiny, target_langs=["en"]), model, clips, storage_url)
    assert sorted(set(two.langs)) == ["en", "fr"]
    assert len(encoded) == 2 * 80  # in both roles
    again = frozen_targets(spec_of(tiny, target_langs=["en"]), model, clips, storage_url)
    assert len(encoded) == 2 * 80
    assert torch.equal(two.vectors["query"], again.vectors["query"])
    three = frozen_targets(spec_of(tiny, target_langs=["en", "wo"]), model, clips, storage_url)
    assert sorted(set(three.langs)) == ["en", "fr", "wo"]
    assert len(encoded) == 2 * 120  # the third language alone
    for role in ("query", "document"):
        row = three.own[7]["wo"]
        np.testing.assert_allclose(
            three.vectors[role][row], encode(model, [clips[7].translations["wo"]], role)[0], atol=1e-5
        )
    assert len(store.listing(store.join(storage_url, "targets"))) == 3
    other = frozen_side(spec_of(tiny, target_langs=["en"]), clips[:36], storage_url)
    encoded.clear()  # of what the fit asked
    turned = frozen_targets(spec_of(tiny, target_langs=["en"]), other, clips, storage_url)
    assert encoded == []  # another transform wants no text anew
    assert not torch.equal(turned.vectors["query"], two.vectors["query"])
    text = clips[7].translations["en"]
    np.testing.assert_allclose(
        turned.vectors["query"][turned.own[7]["en"]], encode(other, [text], "query")[0], atol=1e-5
    )
