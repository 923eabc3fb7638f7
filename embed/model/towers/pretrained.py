"""Checkpoints loaded through `transformers`: its one door for towers and recognisers, and where its versions differ.

Importing it takes seconds, so whoever needs it imports this module late.  A name is a hub name, a folder or
`packaged:...`; nothing is unpickled, no code that comes along is run, and weights that are missing are never made up.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    MODEL_MAPPING,
    AutoConfig,
    AutoFeatureExtractor,
    AutoModel,
    AutoModelForCTC,
    AutoModelForSpeechSeq2Seq,
    AutoTokenizer,
)
from transformers.models.whisper.modeling_whisper import WhisperDecoder
from transformers.utils import logging

from embed.errors import SpecError
from embed.model.towers.files import SAFELY, all_there, tower_place, why_not

# The decoder's cache, as an argument and in what it returns: `cache` in 5.24, `past_key_values` in older versions.
CACHE = "cache" if "cache" in inspect.signature(WhisperDecoder.forward).parameters else "past_key_values"


def config_of(name: str, what: str = "tower") -> Any:
    """The configuration of a checkpoint; SpecError where it cannot be had, which calls it `what`."""
    place = tower_place(name)
    with _clearly(what, name):
        return AutoConfig.from_pretrained(place, trust_remote_code=False)


def structure_of(name: str, what: str = "tower") -> Any:
    """A model with the sizes of a checkpoint and without its weights."""
    return AutoModel.from_config(config_of(name, what))


def text_model(name: str) -> tuple[Any, Any]:
    """Model in float32, and tokenizer.  Raises SpecError where the name is neither packaged, a folder, nor in reach."""
    place = tower_place(name)
    with _clearly("text tower", name):
        model = _weights(AutoModel, name, place, **_without_pooler(place))
        return model, AutoTokenizer.from_pretrained(place, trust_remote_code=False)


def speech_model(name: str) -> tuple[Any, Any]:
    """Model in float32, and feature extractor.  Raises SpecError where the name cannot be had."""
    place = tower_place(name)
    with _clearly("speech tower", name):
        model = _weights(AutoModel, name, place)
        return model, AutoFeatureExtractor.from_pretrained(place, trust_remote_code=False)


def recogniser_model(name: str, by_letters: bool) -> tuple[Any, Any, Any]:
    """Model in float32, feature extractor, tokenizer; `by_letters` for CTC, else with a decoder.  Raises SpecError."""
    place = tower_place(name)
    with _clearly("speech recogniser", name):
        # A model without the layer that writes letters would write them at random.
        model = _weights(AutoModelForCTC if by_letters else AutoModelForSpeechSeq2Seq, name, place)
        return model, AutoFeatureExtractor.from_pretrained(place), AutoTokenizer.from_pretrained(place)


def decoded(decoder: Any, ids: Any, states: Any, cache: Any = None) -> tuple[Any, Any]:
    """What Whisper's decoder makes of ids over the encoder's states, and its cache for the ids to come."""
    out = decoder(input_ids=ids, encoder_hidden_states=states, use_cache=True, **{CACHE: cache})
    return out, getattr(out, CACHE)


def _weights(loader: Any, name: str, place: str, **options: Any) -> Any:
    return all_there(
        name, *loader.from_pretrained(place, dtype=torch.float32, output_loading_info=True, **options, **SAFELY)
    )


def _without_pooler(place: str) -> dict[str, bool]:
    """BERT's kin carry a pooling layer that is not used here and that most checkpoints lack."""
    config = AutoConfig.from_pretrained(place, trust_remote_code=False)
    parameters = inspect.signature(MODEL_MAPPING[type(config)].__init__).parameters
    return {"add_pooling_layer": False} if "add_pooling_layer" in parameters else {}


@contextmanager
def _clearly(what: str, name: str) -> Iterator[None]:
    """Turns what the library raises into one line with the name."""
    try:
        logging.disable_progress_bar()  # Loading is no progress of the job that waits for it.
        yield
    except SpecError:
        raise
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise SpecError(f"{what} {name!r} cannot be loaded: {why_not(error)}") from None
