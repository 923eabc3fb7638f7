import gzip
import json
from pathlib import Path

import pytest

from embed.errors import InputError
from embed.text.transcripts import Transcript, read_transcript

SAID = [(500, 1500, "Bonjour à tous."), (2000, 3250, "Le marché rouvre.")]
SRT = "1\n00:00:00,500 --> 00:00:01,500\nBonjour à tous.\n\n2\n00:00:02,000 --> 00:00:03,250\nLe marché\nrouvre.\n"
VTT = "WEBVTT\n\n00:00.500 --> 00:01.500\n<v Awa>Bonjour à tous.\n\n00:02.000 --> 00:03.250\nLe marché rouvre.\n"
WHISPER = {
    "text": "Bonjour à tous. Le marché rouvre.",
    "segments": [{"id": 0, "start": 0.5, "end": 1.5, "text": " Bonjour à tous."},
                 {"id": 1, "start": 2.0, "end": 3.25, "text": " Le marché rouvre."}],
    "language": "fr",
}  # fmt: skip
CPP = {
    "transcription": [
        {"offsets": {"from": start, "to": end}, "text": f" {text}", "timestamps": {}} for start, end, text in SAID
    ]
}
CHUNKS = {"text": "...", "chunks": [{"timestamp": [a / 1000, b / 1000], "text": text} for a, b, text in SAID]}
PODCAST = {"version": "1.0.0", "segments": [
    {"speaker": "Awa", "startTime": a / 1000, "endTime": b / 1000, "body": text} for a, b, text in SAID
]}  # fmt: skip
NEMO = "".join(
    json.dumps({"audio_filepath": "a.wav", "offset": a / 1000, "duration": (b - a) / 1000, "text": text}) + "\n"
    for a, b, text in SAID
)
SHORT_GRID = '"ooTextFile"\n"TextGrid"\n0\n4\n<exists>\n1\n"IntervalTier"\n"Awa"\n0\n4\n3\n' + "\n".join(
    f'{a}\n{b}\n"{text}"'
    for a, b, text in [(0, 0.5, ""), (0.5, 1.5, "Bonjour à tous."), (2, 3.25, "Le marché rouvre.")]
)


def long_grid(*tiers: tuple[str, str, list[tuple[float, float, str]]]) -> str:
    """As Praat saves it by default."""
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0 ", "xmax = 4 ", "tiers? <exists> "]
    lines += [f"size = {len(tiers)} ", "item []: "]
    for number, (kind, name, marks) in enumerate(tiers, 1):
        lines += [f"    item [{number}]:", f'        class = "{kind}" ', f'        name = "{name}" ']
        lines += ["        xmin = 0 ", "        xmax = 4 ", f"        intervals: size = {len(marks)} "]
        for place, (start, end, text) in enumerate(marks, 1):
            lines += [f"        intervals [{place}]:"]
            if kind == "IntervalTier":
                lines += [f"            xmin = {start} ", f"            xmax = {end} ", f'            text = "{text}" ']
            else:
                lines += [f"            number = {start} ", f'            mark = "{text}" ']
    return "\n".join(lines)


GRID = long_grid(
    ("TextTier", "clicks", [(0.1, 0.1, "x")]),
    ("IntervalTier", "phones", [(0.5, 1.5, "b")]),
    ("IntervalTier", "Awa - words", [(0.5, 1.5, "Bonjour à tous."), (1.5, 2, " ")]),
    ("IntervalTier", "Sidy - words", [(2, 3.25, "Le marché rouvre.")]),
)
CTM = ";; by a recogniser\n" + "".join(
    f"a 1 {start} {length} {word} 0.9\n" for start, length, word in [(0.5, 0.5, "Bonjour"), (1, 0.0, "à")]
)


def plain(found: Transcript | None) -> list[tuple[int, int, str]]:
    assert found is not None
    return [(cue.start_ms, cue.end_ms, cue.text.strip()) for cue in found.cues]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.srt", SRT.encode()),
        ("b.srt", SRT.encode("utf-16")),
        ("a.vtt", VTT.encode()),
        ("a.vtt.gz", gzip.compress(VTT.encode())),
        ("whisper.json", json.dumps(WHISPER).encode()),
        ("cpp.json", json.dumps(CPP).encode()),
        ("chunks.json", json.dumps(CHUNKS).encode()),
        ("podcast.JSON", json.dumps(PODCAST).encode()),
        ("list.json", json.dumps(WHISPER["segments"]).encode()),
        ("nemo.json", NEMO.encode()),
        ("long.TextGrid", GRID.encode("utf-16")),  # as Praat writes letters beyond ASCII
        ("short.TextGrid", SHORT_GRID.encode()),
    ],
)
def test_the_cues_of_every_format(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    found = read_transcript(str(tmp_path / name))
    assert plain(found) == SAID
    assert found is not None
    assert found.left_out == 0


def test_lines_that_captions_repeat_while_they_roll_are_spoken_once(tmp_path: Path) -> None:
    """As YouTube's: the new line is shown word by word below the one before, then alone for 10 ms."""
    cues = [
        ("00.500", "02.000", " \nBonjour<00:00:01.000><c> à</c><c> tous.</c>"),
        ("02.000", "02.010", "Bonjour à tous.\n "),
        ("02.010", "03.250", "Bonjour à tous.\nNon.<00:00:02.500><c> Non.</c>"),
        ("03.250", "03.260", "Non. Non.\n "),
        ("04.000", "05.000", "Non. Non."),
    ]
    text = "".join(f"00:00:{start} --> 00:00:{end} align:start\n{lines}\n\n" for start, end, lines in cues)
    (tmp_path / "a.vtt").write_text(f"WEBVTT\nKind: captions\n\n{text}")
    assert plain(read_transcript(str(tmp_path / "a.vtt"))) == [
        (500, 2000, "Bonjour à tous."),
        (2010, 3250, "Non. Non."),
        (4000, 5000, "Non. Non."),
    ]


def test_words_have_times_of_their_own_and_the_spaces_between_them(tmp_path: Path) -> None:
    (tmp_path / "a.ctm").write_text(CTM)
    assert plain(read_transcript(str(tmp_path / "a.ctm"))) == [(500, 1000, "Bonjour"), (1000, 1001, "à")]
    spaced = [{"word": " Le", "start": 0, "end": 0.5}, {"word": " marché", "start": 0.5, "end": 1}]
    bare = [{**word, "word": str(word["word"]).strip()} for word in spaced]
    without = [{"word": "市", "start": 0, "end": 0.5}, {"word": "場", "start": 0.5, "end": 1}]
    partly = [*spaced[:1], {"word": " marché"}]
    cases = [("Le marché", spaced, " Le marché"), ("Le marché", bare, " Le marché"), ("市場", without, "市場")]
    for text, words, expected in cases:
        (tmp_path / "a.json").write_text(
            json.dumps({"segments": [{"start": 0, "end": 1, "text": text, "words": words}]})
        )
        (cue,) = (read_transcript(str(tmp_path / "a.json")) or Transcript(())).cues
        assert "".join(word.text for word in cue.words) == expected
        assert [(word.start_ms, word.end_ms) for word in cue.words] == [(0, 500), (500, 1000)]
    # A word without times, as WhisperX writes numbers: the segment counts as a whole.
    (tmp_path / "a.json").write_text(
        json.dumps({"segments": [{"start": 0, "end": 1, "text": " Le marché", "words": partly}]})
    )
    assert (read_transcript(str(tmp_path / "a.json")) or Transcript(())).cues[0].words == ()


def test_json_of_another_kind_is_no_transcript(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for other in (
        {"title": "Le marché", "duration": 60},
        {"chapters": [{"start": 0, "title": "a"}]},
        [1, 2],
        "text",
        [],
    ):
        path.write_text(json.dumps(other))
        assert read_transcript(str(path)) is None
    path.write_text(json.dumps({"segments": [], "text": ""}))  # Whisper, where nothing is spoken
    assert read_transcript(str(path)) == Transcript(())


def test_cues_in_any_order_and_those_whose_times_cannot_be(tmp_path: Path) -> None:
    records = [(3, 4, "c"), (1, 2.5, "a"), (2, 3, "b"), (-2, 1, "early"), (5, 4, "back"), (True, 2, "?"), ("x", 1, "!"),
               (1e300, 1e301, "late"), (9, None, "null"), (1, 2, "half \ud83d"), (1, 2, "  ")]  # fmt: skip
    segments = [{"start": start, "end": end, "text": text} for start, end, text in records]
    (tmp_path / "a.json").write_text(json.dumps({"segments": segments}))
    found = read_transcript(str(tmp_path / "a.json"))
    assert plain(found) == [(1000, 2500, "a"), (2000, 3000, "b"), (3000, 4000, "c")]
    assert found is not None
    assert (found.left_out, found.example) == (7, "'early' from -2 to 1 s")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.json", b'{"segments": [', "not readable as JSON"),
        ("b.json", b"[" * 100_000, "not readable as JSON"),
        ("a.vtt", b"", "empty file"),
        ("b.vtt", b"WEBVTT\n\n", "no cue with a text and a time"),
        ("a.srt", SRT.encode("cp1252"), "set `encoding: cp1252`"),
        ("a.ctm", b"a 1 0.5 bonjour\n", "not CTM"),
        ("a.TextGrid", SHORT_GRID[:-30].encode(), "not a complete TextGrid"),
        ("b.TextGrid", b"Bonjour.\n", "not a complete TextGrid"),
        ("c.TextGrid", SHORT_GRID.replace("<exists>\n1", "<exists>\nmany").encode(), "not a complete TextGrid"),
    ],
)
def test_a_broken_file_is_one_error_with_its_name(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: .*{reason}"):
        read_transcript(str(tmp_path / name))
