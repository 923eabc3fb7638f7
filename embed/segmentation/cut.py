"""Cutting: a unit of work becomes segments that are ready to be encoded; UNITS in, CUTS out.

Bad input never stops it: input that cannot be read, decoded or used is a failure inside the unit's row, with stage and
reason.  Errors of all the storage (a bucket that cannot be reached) and faults of the machine (no more open files) are
raised, since a retry, or another machine, may help.  Only inputs are read here: an error of the output's storage never
becomes a failure of an input.
"""

import pyarrow as pa

from embed.archive.contents import digest_of_unit
from embed.errors import NEVER_OPENED, OF_ONE_FILE
from embed.machine import machine_fault
from embed.segmentation.cut_row import CutRow
from embed.segmentation.cut_speech import cut_recording
from embed.segmentation.cut_text import cut_text, report_broken_lines
from embed.segmentation.cut_utterance import cut_utterance
from embed.segmentation.rules import Cutting
from embed.segmentation.tokens import Words
from embed.tables import CUTS, SPEECH, CutUnit, Unit

_REFUSED = frozenset(error.__name__ for error in NEVER_OPENED)


def cut(units: pa.Table, cutting: Cutting, words: Words) -> pa.Table:
    """CUTS, one row per unit, in order."""
    return pa.Table.from_pylist([cut_unit(unit, cutting, words) for unit in units.to_pylist()], schema=CUTS)


def cut_unit(unit: Unit, cutting: Cutting, words: Words) -> CutUnit:
    """One row of CUTS, from one row of UNITS.

    Segments are those that start in the unit; decoded_s, not_speech_s and lost_s are of the unit's own span.
    """
    row = CutRow(unit)
    if unit["format"] == "feed" or (unit["problem"] or "").partition(":")[0] in _REFUSED:
        row.refuse()
        return row.values()
    try:
        if unit["format"] == "list":
            report_broken_lines(row)
        elif unit["format"] == "tar":
            row.refuse()
        elif unit["format"] == "utterance":
            cut_utterance(row, cutting)
        elif unit["modality"] == SPEECH:
            cut_recording(row, cutting)
        else:
            cut_text(row, cutting, words)
    except OF_ONE_FILE as error:
        if machine_fault(error):
            raise
        row.fail(error)
    if row.segments or row.reason:
        row.digest = digest_of_unit(unit)
    return row.values()
