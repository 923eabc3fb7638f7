"""BERT in plain torch: the vectors of `transformers` to the bit, or None."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel

from embed.model.plain.bert import plain_bert
from tests.towers import towers_in

Tiny = Callable[[str], str]


def theirs(folder: str) -> Any:
    return AutoModel.from_pretrained(folder, dtype=torch.float32, add_pooling_layer=False).eval()


@pytest.mark.parametrize("lengths", [[9], [12, 12], [12, 7, 1]], ids=["alone", "equal", "padded"])
def test_its_states_are_those_of_transformers(tiny: Tiny, lengths: list[int]) -> None:
    ours, other = plain_bert(Path(tiny("bert"))), theirs(tiny("bert"))
    assert ours is not None
    ids = torch.randint(4, 30, (len(lengths), max(lengths)), generator=torch.Generator().manual_seed(0))
    mask = (torch.arange(max(lengths))[None, :] < torch.tensor(lengths)[:, None]).long()
    with torch.inference_mode():
        embedded = other.get_input_embeddings()(ids)
        assert torch.equal(ours.get_input_embeddings()(ids), embedded)
        expected = other(input_ids=ids, attention_mask=mask).last_hidden_state
        for given in ({"input_ids": ids}, {"inputs_embeds": embedded}):
            found = ours(**given, attention_mask=mask).last_hidden_state
            assert torch.equal(found[mask.bool()], expected[mask.bool()])


def test_its_weights_have_the_names_that_adapters_look_for(tiny: Tiny) -> None:
    ours, other = plain_bert(Path(tiny("bert"))), theirs(tiny("bert"))
    assert ours is not None
    assert dict(ours.state_dict()).keys() == dict(other.state_dict()).keys()
    assert (ours.config.hidden_size, ours.dtype, ours.device) == (32, torch.float32, torch.device("cpu"))


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_act": "relu"},
        {"is_decoder": True},
        {"position_embedding_type": "relative_key"},
        {"model_type": "roberta"},
        {"hidden_size": None},
        {"intermediate_size": 128},
        {"num_hidden_layers": 3},
        {"quantization_config": {}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_another_kind_is_left_to_transformers(tmp_path: Path, changes: dict[str, Any]) -> None:
    folder = Path(towers_in(tmp_path)("bert"))
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(values | changes))
    assert plain_bert(folder) is None


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("data", [None, b"", b"{"], ids=["missing", "empty", "damaged"])
def test_unreadable_files_are_left_to_transformers(tmp_path: Path, file: str, data: bytes | None) -> None:
    path = Path(towers_in(tmp_path)("bert")) / file
    path.unlink() if data is None else path.write_bytes(data)
    assert plain_bert(path.parent) is None
