"""The stage that reads: a unit of work becomes its segments, ready to be encoded; UNITS in, CUTS out.

Bad input never stops it: what cannot be read, decoded or used is a failure inside the unit's row, with stage and
reason.  What storage itself does wrong (a bucket out of reach) is raised, since trying again may help.
"""

from typing import Any

import pyarrow as pa

from embed.errors import InputError
from embed.segmentation.cut_row import Work
from embed.segmentation.cut_speech import cut_recording
from embed.segmentation.cut_text import cut_text, tell_broken_lines
from embed.segmentation.cut_utterance import cut_utterance
from embed.segmentation.rules import Cutting
from embed.segmentation.tokens import Words
from embed.tables import CUTS, SPEECH


def cut(units: pa.Table, cutting: Cutting, words: Words) -> pa.Table:
    """CUTS, one row per unit, in order."""
    return pa.Table.from_pylist([cut_unit(unit, cutting, words) for unit in units.to_pylist()], schema=CUTS)


def cut_unit(unit: dict[str, Any], cutting: Cutting, words: Words) -> dict[str, Any]:
    """One row of CUTS as a dictionary, from one row of UNITS.

    Segments are those that start in the unit; decoded_s, not_speech_s and lost_s are of the unit's own span.
    """
    work = Work(unit)
    try:
        if unit["format"] == "list":
            tell_broken_lines(work)
        elif unit["format"] == "utterance":
            cut_utterance(work, cutting)
        elif unit["modality"] == SPEECH:
            cut_recording(work, cutting)
        else:
            cut_text(work, cutting, words)
    except InputError as error:
        work.fail(error)
    return work.row()
