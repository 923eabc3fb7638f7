"""mteb's own evaluation of our encoder, on tasks that are made here, with our figures next to it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed.errors import SpecError
from embed.model.handle import resolve_model
from embed.model.weights import load_joint
from evaluate.measures.by_dim import judged_by_dim
from tests.train.lesson import SENTENCES, tone

mteb = pytest.importorskip("mteb", reason="the extra mteb is not installed")

NUM = 8


def task(queries: list[dict[str, Any]], kind: str) -> Any:
    """A retrieval task of mteb: each query's answer is the text of its number."""
    from datasets import Dataset
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from mteb.abstasks.task_metadata import TaskMetadata

    class Own(AbsTaskRetrieval):  # type: ignore[misc, unused-ignore]
        metadata = TaskMetadata(
            name=f"Own{kind}",
            description="sentences",
            reference=None,
            dataset={"path": "own/none", "revision": "1"},
            type="Any2AnyRetrieval",
            category=kind,
            modalities=["audio", "text"] if kind == "a2t" else ["text"],
            eval_splits=["test"],
            eval_langs=["fra-Latn"],
            main_score="ndcg_at_10",
        )

        def load_data(self, **_: Any) -> None:
            corpus = Dataset.from_list([{"id": f"d{n}", "text": SENTENCES["en"][n]} for n in range(NUM)])
            asked = Dataset.from_list([{"id": f"q{n}", **one} for n, one in enumerate(queries)])
            right = {f"q{n}": {f"d{n % NUM}": 1} for n in range(len(queries))}
            split = {"corpus": corpus, "queries": asked, "relevant_docs": right, "top_ranked": None}
            self.dataset = {"default": {"test": split}}
            self.data_loaded = True

    return Own()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["a2t", "t2t"])
def test_mteb_finds_what_we_find_at_every_width(kind: str, shelf: Path, tmp_path: Path) -> None:
    from evaluate.mteb_encoder import mteb_model

    waves = [tone(n, n) for n in range(NUM)]
    queries: list[dict[str, Any]] = [
        {"audio": {"array": wave.tolist(), "sampling_rate": 16_000}} if kind == "a2t" else {"text": SENTENCES["fr"][n]}
        for n, wave in enumerate(waves)
    ]
    ours = load_joint(resolve_model(str(shelf / "model")))
    asked = ours.encode(waves if kind == "a2t" else list(SENTENCES["fr"]), "query")
    judged = judged_by_dim(asked, ours.encode(list(SENTENCES["en"]), "document"), np.arange(NUM), ours.dims)
    for dim in ours.dims:
        model = mteb_model(str(shelf / "model"), dim)
        results = mteb.evaluate(model, task(queries, kind), cache=None, show_progress_bar=False)
        score = results.task_results[0].scores["test"][0]["ndcg_at_10"]
        assert score == pytest.approx(judged[dim].values["nDCG@10"].mean(), abs=1e-4)


def test_a_width_that_is_not_declared_is_refused_and_other_rates_are_resampled(shelf: Path) -> None:
    from evaluate.mteb_encoder import mteb_model

    with pytest.raises(SpecError, match=r"embed_dim 20: .*model has no such width; give one of 32, 16, 8"):
        mteb_model(str(shelf / "model"), 20)
    assert mteb_model(str(shelf / "model")).dim == 32
    model = mteb_model(str(shelf / "model"), 8)
    wave = np.repeat(tone(0, 0), 2)
    stereo = {"array": np.stack([wave, wave]), "sampling_rate": 32_000}
    found = model.encode([{"audio": [stereo]}, {"text": ["a"]}], prompt_type="query")
    assert found.shape == (2, 8)
    assert model.similarity(found, found).diagonal().tolist() == pytest.approx([1, 1])
    assert model.similarity_pairwise(found, found[::-1].copy()).shape == (2,)
