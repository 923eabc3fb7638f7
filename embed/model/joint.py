"""Late fusion: speech frames enter the frozen text tower like words, and get vectors in the space of texts.

    wave -> frozen speech tower -> frames [B, T, F] -> fusion -> [B, T', H] --+
    instruction tokens ---------------------------------------- before -------+-> frozen text tower -> pool
    end token -------------------------------------------------- after -------+      -> transform -> unit [B, D]

Source: arXiv 2602.19991 §2.2, without the faults of its public code: no padding reaches a pooled position, an end
token follows speech, and training and use have the same instruction.  A model with a head instead of a
fusion (the dual encoder, ridge) maps frames to the space directly; its texts are the same.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from embed.encoder import SAMPLE_RATE, Batch, Fingerprints, FloatArray, Role
from embed.errors import SpecError
from embed.model.adapters import State, add_lora, lora_state, merge, put, shared_places, twin, unfreeze
from embed.model.fusion import Fusion, shorten
from embed.model.head import SpeechHead
from embed.model.spec import EncoderSpec
from embed.model.towers.budget import Budget
from embed.model.towers.compiled import Backend, compile_layers
from embed.model.towers.precision import prepare_inference
from embed.model.towers.speech import SpeechTower
from embed.model.towers.speech_side import Marks, SpeechSide
from embed.model.towers.text import TextTower
from embed.model.towers.transfer import to_device
from embed.model.transform import NestingTransform

# Size of one forward pass, in padded tokens and padded seconds of speech.  On a CPU: as much as its caches hold
# (512 to 2,048 tokens differ by at most 3 %); on a GPU: enough to fill it.
TOKEN_BUDGET = {"cpu": 1024, "cuda": 32_768}
SECONDS_BUDGET = {"cpu": 60.0, "cuda": 480.0}
NO_SPEECH = "this encoder encodes text alone; choose a model with a speech tower to embed speech"


class JointEncoder(nn.Module):
    """The model as a module: trained through `forward`, used through `encode` (the Encoder protocol)."""

    def __init__(
        self,
        spec: EncoderSpec,
        text: TextTower,
        speech: SpeechTower | SpeechSide | None,
        fingerprints: Fingerprints | None = None,
        marks: Marks | None = None,
    ) -> None:
        super().__init__()
        if spec.dims[0] != text.width:
            raise SpecError(f"dims must begin with the text tower's width {text.width}, not {spec.dims[0]}")
        self.spec = spec
        self.text = text
        self.speech = speech
        self.spoken: TextTower | None = None  # the text tower for speech, where adapters change it
        members = (
            [Fusion(spec.fusion, speech.width, text.width) for _ in range(spec.fusion.members)]
            if spec.fusion and speech
            else []
        )
        self.fusion, self.others = (members[0] if members else None), nn.ModuleList(members[1:])
        self.marks = marks  # of a model that reads speech itself: there is no fusion
        self.head = SpeechHead(spec.head, speech.width, spec.dims) if spec.head and speech else None
        self.transform = NestingTransform(text.width) if spec.transform else None
        self.precision: Literal["float32", "bfloat16"] = "float32"
        self.inference_only = False  # True after `for_inference`
        self._fingerprints = fingerprints
        self._give_budgets("cpu")

    def for_inference(self, precision: Literal["float32", "bfloat16"]) -> "JointEncoder":
        """Itself, frozen and optimised for its device; after this it cannot be trained or moved.

        The towers, and on a GPU the fusion, compute in `precision`; the rest in float32.
        """
        if not self.inference_only:
            self.merge_adapters(*self.adapter_states())
        self.eval().requires_grad_(False)
        self.precision, self.inference_only = precision, True
        shared = shared_places(self.text.model, self.spoken.model) if self.spoken is not None else []
        prepare_inference(self.text.model, precision)
        if self.spoken is not None:
            for place in shared:  # packed modules are in memory once
                put(self.spoken.model, place, self.text.model.get_submodule(place))
            prepare_inference(self.spoken.model, precision)
        if self.speech is not None:
            prepare_inference(self.speech.model, precision)
        self._give_budgets(self._device.type)
        return self

    def compile_towers(self, backend: Backend = "inductor") -> "JointEncoder":
        """Itself, after `for_inference`, with the layers of the towers compiled: see `embed.model.towers.compiled`."""
        towers = [self.text, *([self.spoken] if self.spoken is not None else [])]
        for tower in [*towers, *([self.speech] if self.speech is not None else [])]:
            compile_layers(tower.model, backend)
        return self

    def open_adapters(self) -> "JointEncoder":
        """Itself, with the tower weights of `spec.adapt` trainable; texts do not change."""
        adapt = self.spec.adapt
        if adapt.text is not None:
            self.spoken = self._twin()
            add_lora(self.spoken.model, adapt.text)
        if self.speech is not None:
            if adapt.speech is not None:
                add_lora(self.speech.model, adapt.speech, self.speech.depth)
            if adapt.unfreeze:
                unfreeze(self.speech.model, adapt.unfreeze, self.speech.depth)
        return self

    def adapter_states(self) -> tuple[State, State]:
        """Weights of the text tower's and the speech tower's adapters; empty where there are none."""
        text = lora_state(self.spoken.model) if self.spoken is not None else {}
        return text, lora_state(self.speech.model) if self.speech is not None else {}

    def merge_adapters(self, text: State, speech: State) -> None:
        """Add adapters' weights to the layers, for speech only, and remove the adapters.  InputError if unfit."""
        adapt = self.spec.adapt
        if adapt.text is not None and text:
            self.spoken = self.spoken if self.spoken is not None else self._twin()
            merge(self.spoken.model, text, adapt.text)
        if adapt.speech is not None and self.speech is not None:
            merge(self.speech.model, speech, adapt.speech)

    @property
    def budget_halvings(self) -> int:
        """How often memory ran out, each time halving the size of later passes."""
        return self.tokens_at_once.halvings + self.samples_at_once.halvings

    @property
    def longest_s(self) -> float | None:
        """The longest wave it takes, in seconds; None for texts alone."""
        return self.speech.longest_s if self.speech is not None else None

    @property
    def dims(self) -> tuple[int, ...]:
        return self.spec.dims

    @property
    def fingerprints(self) -> Fingerprints:
        if self._fingerprints is None:
            raise SpecError("this model is not saved and has no fingerprints yet; save it and load it")
        return self._fingerprints

    def encode(self, batch: Batch, role: Role, task: str | None = None) -> FloatArray:
        """float32 [n, D] unit rows in the order given; see `embed.encoder.Encoder`."""
        if len(batch) == 0:
            return np.zeros((0, self.dims[0]), dtype=np.float32)
        with torch.inference_mode():
            if isinstance(batch[0], str):
                return self._of_texts(cast(Sequence[str], batch), role, task)
            return self._of_speech(cast(Sequence[FloatArray], batch), role, task)

    @property
    def frame_pool(self) -> int:
        """Number of neighbouring frames that `shorten` averages before `forward`."""
        if self.marks is not None:
            return 1
        part = self.fusion if self.fusion is not None else self.head
        if part is None:
            raise SpecError(NO_SPEECH)
        return part.spec.frame_pool

    def forward(self, x: Tensor, lengths: Tensor, role: Role, task: str | None = None) -> Tensor:
        """Unit vectors [B, D] of frames [B, T, F] that `shorten` has averaged, or of waves [B, samples] at 16 kHz.

        Waves go through the speech tower here, so that it can be trained.  Independent heads give [B, sum of dims],
        see `SpeechHead`; a head ignores role and task.
        """
        if x.dim() == 2:
            x, lengths = self._frames([wave[: int(n)].cpu().numpy() for wave, n in zip(x, lengths, strict=True)])
        if self.head is not None:
            vectors: Tensor = self.head(x, lengths)
            return vectors
        if not self._readers:
            raise SpecError(NO_SPEECH)
        found = self._placed(x, lengths, role, task)
        return found[0] if len(found) == 1 else nn.functional.normalize(torch.stack(found).mean(0), dim=-1)

    @property
    def fusions(self) -> list[Fusion]:
        """The fusion's members, the first of which is `fusion`; [] where there is none."""
        return [] if self.fusion is None else [self.fusion, *cast(Iterable[Fusion], self.others)]

    @property
    def _readers(self) -> list[Fusion | Marks]:
        """What makes input embeddings of frames."""
        return [self.marks] if self.marks is not None else [*self.fusions]

    def _placed(self, x: Tensor, lengths: Tensor, role: Role, task: str | None) -> list[Tensor]:
        """Unit vectors [B, D] by each of the fusions, in one pass through the text tower."""
        # In float32 a GPU would spend more time on the fusion than on the towers.
        halved = self.precision == "bfloat16" and x.is_cuda
        with torch.autocast("cuda", torch.bfloat16, enabled=halved):
            contents = [reader(x, lengths) for reader in self._readers]
        counts = torch.cat([count for _, count in contents])
        embedded, mask = self._framed(torch.cat([content for content, _ in contents]), counts, role, task)
        tower = self.spoken if self.spoken is not None else self.text
        pooled = tower.pooled(mask, embedded=embedded).chunk(len(contents))
        return [self.place(reader.output_map(one)) for reader, one in zip(self._readers, pooled, strict=True)]

    def _frames(self, waves: Sequence[FloatArray]) -> tuple[Tensor, Tensor]:
        """Averaged frames [B, T, F] and lengths [B]."""
        if self.speech is None:
            raise SpecError(NO_SPEECH)
        frames, lengths = self.speech(waves)
        return shorten(frames, lengths, self.frame_pool)

    def place(self, pooled: Tensor) -> Tensor:
        """Pooled [n, D] to the unit vectors of the space."""
        return self.transform(pooled) if self.transform is not None else nn.functional.normalize(pooled, dim=-1)

    def _framed(self, content: Tensor, counts: Tensor, role: Role, task: str | None) -> tuple[Tensor, Tensor]:
        """Instruction, content, end token; each row dense from position 0, padding after it: [B, S, H] and mask."""
        head, tail = self.text.bare_frame() if self.marks is not None else self.text.frame(role, task)
        words = self.text.embeddings(torch.tensor([*head, *tail], device=content.device)).to(content.dtype)
        begin, end = words[: len(head)], words[len(head) :]
        lengths: list[int] = counts.tolist()  # at once: on a GPU, each number that is asked for is a wait
        rows = [torch.cat([begin, row[:n], end]) for row, n in zip(content, lengths, strict=True)]
        sizes = counts + len(words)
        mask = torch.arange(max(lengths) + len(words), device=content.device)[None, :] < sizes[:, None]
        return pad_sequence(rows, batch_first=True), mask

    def _of_texts(self, texts: Sequence[str], role: Role, task: str | None) -> FloatArray:
        tokens = self.text.tokens(texts, role, task)

        def encode(group: list[int]) -> Tensor:
            ids = pad_sequence([torch.tensor(tokens[i]) for i in group], batch_first=True)
            sizes = torch.tensor([len(tokens[i]) for i in group])
            mask = torch.arange(ids.shape[1])[None, :] < sizes[:, None]
            ids, mask = to_device(ids, self._device), to_device(mask, self._device)
            return self.place(self.text.pooled(mask, ids=ids))

        return self.tokens_at_once.rows([len(one) for one in tokens], self.dims[0], encode)

    def _of_speech(self, waves: Sequence[FloatArray], role: Role, task: str | None) -> FloatArray:
        if self.head is not None and self.head.spec.independent:
            raise SpecError("independent heads have no valid prefixes: this model can be evaluated, not used to embed")

        def encode(group: list[int]) -> Tensor:
            vectors: Tensor = self(*self._frames([waves[i] for i in group]), role, task)
            return vectors

        return self.samples_at_once.rows([len(wave) for wave in waves], self.dims[0], encode)

    def _twin(self) -> TextTower:
        return TextTower(self.text.spec, twin(self.text.model), self.text.tokenizer)

    def _give_budgets(self, device: str) -> None:
        known = device if device in TOKEN_BUDGET else "cpu"
        self.tokens_at_once = Budget(TOKEN_BUDGET[known])
        self.samples_at_once = Budget(int(SECONDS_BUDGET[known] * SAMPLE_RATE))

    @property
    def _device(self) -> torch.device:
        device: torch.device = self.text.model.device
        return device
