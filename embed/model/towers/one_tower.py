"""Spec of a pretrained model that encodes text and speech in one space by itself: EmbeddingGemma 2.

Nothing of it is trained here; loaded as a text tower and a speech side, so that all else treats it as late fusion.
"""

import json
from pathlib import Path

from embed.model.spec import EncoderSpec, SpeechTowerSpec, TextTowerSpec
from embed.model.towers.files import CONFIG

EMBEDDING_GEMMA_2 = "embedding_gemma2"
DIMS = (768, 512, 256, 128)  # widths that it was trained for
LONGEST_S = 30.0  # 750 soft tokens of 40 ms
# The prompts that it was trained with, for texts; speech has none.  Source: the model's card.
QUERY, DOCUMENT = "task: {task} | query: ", "title: none | text: "
TASK = "search result"
MOST_TOKENS = 2_048


def one_tower_spec(folder: Path) -> EncoderSpec | None:
    """The spec of a checkpoint's folder; None where it is of no such model."""
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(config, dict) or config.get("model_type") != EMBEDDING_GEMMA_2:
        return None
    width = int((config.get("text_config") or {}).get("embedding_dim", DIMS[0]))
    name = str(folder)
    return EncoderSpec(
        text=TextTowerSpec(
            name=name, pooling="mean", query=QUERY, document=DOCUMENT, task=TASK, max_tokens=MOST_TOKENS
        ),
        speech=SpeechTowerSpec(name=name, layers=None) if config.get("audio_config") else None,
        transform=False,
        one_tower=True,
        dims=(width, *(dim for dim in DIMS if dim < width)),
    )
