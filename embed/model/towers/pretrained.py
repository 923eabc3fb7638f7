"""Loader of checkpoints through `transformers`, for towers and recognisers, across its versions.

Importing it takes seconds, so its users import this module late.  A name is a hub name, a folder or
`packaged:...`; nothing is unpickled, no code of a checkpoint is run, and missing weights are an error.
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
from embed.model.towers.files import SAFELY, complete_model, load_problem, tower_place

# The decoder's cache, as an argument and in what it returns: `cache` in 5.24, `past_key_values` in older versions.
CACHE = "cache" if "cache" in inspect.signature(WhisperDecoder.forward).parameters else "past_key_values"


def config_of(name: str, what: str = "tower") -> Any:
    """The configuration of a checkpoint; SpecError, which calls it `what`, where it cannot be loaded."""
    place = tower_place(name)
    with _clear_errors(what, name):
        return AutoConfig.from_pretrained(place, trust_remote_code=False)


def structure_of(name: str, what: str = "tower") -> Any:
    """A model with the sizes of a checkpoint and without its weights."""
    return AutoModel.from_config(config_of(name, what))


def text_model(name: str) -> tuple[Any, Any]:
    """Model in float32, and tokenizer.  Raises SpecError where the name is not packaged, a folder or on the hub."""
    place = tower_place(name)
    with _clear_errors("text tower", name):
        model = _weights(AutoModel, name, place, **_without_pooler(place))
        return model, AutoTokenizer.from_pretrained(place, trust_remote_code=False)


def speech_model(name: str) -> tuple[Any, Any]:
    """Model in float32, and feature extractor.  Raises SpecError where the name cannot be loaded."""
    place = tower_place(name)
    with _clear_errors("speech tower", name):
        model = _weights(AutoModel, name, place)
        return model, AutoFeatureExtractor.from_pretrained(place, trust_remote_code=False)


def one_tower_model(name: str, speech: bool) -> tuple[Any, Any, Any]:
    """Model in float32 of text and, with `speech`, sound; tokenizer, extractor.  Pictures are left out.  SpecError."""
    place = tower_place(name)
    with _clear_errors("model", name):
        config = AutoConfig.from_pretrained(place, trust_remote_code=False)
        config.vision_config = None
        if not speech:
            config.audio_config = None
        model = _weights(AutoModel, name, place, config=config)
        extractor = AutoFeatureExtractor.from_pretrained(place, trust_remote_code=False) if speech else None
        return model, AutoTokenizer.from_pretrained(place, trust_remote_code=False), extractor


def recogniser_model(name: str, by_letters: bool) -> tuple[Any, Any, Any]:
    """Model in float32, feature extractor, tokenizer; `by_letters` for CTC, else with a decoder.  Raises SpecError."""
    place = tower_place(name)
    with _clear_errors("speech recogniser", name):
        # Without its output layer a model would give random letters.
        model = _weights(AutoModelForCTC if by_letters else AutoModelForSpeechSeq2Seq, name, place)
        return model, AutoFeatureExtractor.from_pretrained(place), AutoTokenizer.from_pretrained(place)


def decoded(decoder: Any, ids: Any, states: Any, cache: Any = None) -> tuple[Any, Any]:
    """Output of Whisper's decoder for ids over the encoder's states, and its cache for the next ids."""
    out = decoder(input_ids=ids, encoder_hidden_states=states, use_cache=True, **{CACHE: cache})
    return out, getattr(out, CACHE)


def _weights(loader: Any, name: str, place: str, **options: Any) -> Any:
    return complete_model(
        name, *loader.from_pretrained(place, dtype=torch.float32, output_loading_info=True, **options, **SAFELY)
    )


def _without_pooler(place: str) -> dict[str, bool]:
    """Models of BERT's family have a pooling layer that is not used here and that most checkpoints lack."""
    config = AutoConfig.from_pretrained(place, trust_remote_code=False)
    parameters = inspect.signature(MODEL_MAPPING[type(config)].__init__).parameters
    return {"add_pooling_layer": False} if "add_pooling_layer" in parameters else {}


@contextmanager
def _clear_errors(what: str, name: str) -> Iterator[None]:
    """Turns the library's errors into one line with the name."""
    try:
        logging.disable_progress_bar()  # loading is not part of the job's progress
        yield
    except SpecError:
        raise
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise SpecError(f"{what} {name!r} cannot be loaded: {load_problem(error)}") from None
