"""Phonemes by eSpeak NG: text in some hundred languages to IPA, through its C library."""

import ctypes
import re
import sys

from embed.errors import DataUnavailable
from embed.model.packaged.resolve import located
from train.curate.synthesis.installed import CURE

PACKAGE = "espeakng_loader"
LIBRARY = "libespeak-ng.dylib" if sys.platform == "darwin" else "libespeak-ng.so"
# Constants of speak_lib.h.
RETRIEVAL, NEVER_EXIT, UTF8, IPA, TIED = 1, 0x8000, 1, 0x02, 0x80
MARKS = re.compile(r"([;:,.!?¡¿—…\"()“”]+)")
OPENING = "¡¿"  # have no sound
OPENED = "“("
ANOTHER_LANGUAGE = re.compile(r"\([a-z-]+\)")  # "(en)" where eSpeak NG changes to another language


class Espeak:
    """One per process: the library holds one voice at a time.  Raises DataUnavailable."""

    def __init__(self) -> None:
        self._library = library = ctypes.CDLL(str(located(PACKAGE, LIBRARY, CURE)))
        data = located(PACKAGE, "espeak-ng-data", CURE)
        library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        library.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int]
        if library.espeak_Initialize(RETRIEVAL, 0, str(data.parent).encode(), NEVER_EXIT) <= 0:
            # The library allows paths of 160 bytes at most.
            raise DataUnavailable(f"eSpeak NG cannot read {data}; install it again, below a shorter path: {CURE}")
        self._voice = ""

    def phonemes(self, text: str, voice: str, tie: str) -> str:
        """IPA with stresses and punctuation; `tie` joins the letters of one sound."""
        if voice != self._voice:
            if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
                raise DataUnavailable(f"eSpeak NG has no voice {voice!r}; {CURE} --force-reinstall")
            self._voice = voice
        out = ""
        for part in MARKS.split(text):
            if MARKS.fullmatch(part):
                out += part.strip(OPENING)
            elif part.strip():
                out += ("" if not out or out[-1] in OPENED else " ") + self._clauses(part, IPA | TIED | ord(tie) << 8)
        return ANOTHER_LANGUAGE.sub("", out).strip()

    def _clauses(self, text: str, mode: int) -> str:
        rest = ctypes.c_char_p(text.encode())
        found = []
        while rest.value:
            found.append((self._library.espeak_TextToPhonemes(ctypes.byref(rest), UTF8, mode) or b"").decode())
        return " ".join(found).strip()
