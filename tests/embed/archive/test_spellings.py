import unicodedata

from embed.archive.spellings import alike, other_spellings, similar_in_words

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "/in/émission.wav") for form in ("NFC", "NFD"))


def test_bytes_case_and_separators_make_no_difference() -> None:
    files = [DECOMPOSED, "/in/Plain.WAV", "/in/sub/x.wav", "/in/Straße.wav", "/in/a b.wav"]
    for missing, found in (
        (COMPOSED, DECOMPOSED),
        ("/in/plain.wav", "/in/Plain.WAV"),
        (r"/in/sub\x.wav", "/in/sub/x.wav"),
        ("/in//sub/X.wav", "/in/sub/x.wav"),
        ("/in/STRASSE.wav", "/in/Straße.wav"),
    ):
        assert alike([missing], files) == {missing: [found]}
    assert alike(["/in/ab.wav", "/in/plain.mp3", "/other/x.wav"], files) == {
        "/in/ab.wav": [],
        "/in/plain.mp3": [],
        "/other/x.wav": [],
    }
    assert alike(["/in/A.WAV"], ["/in/a.wav", "/in/A.wav"]) == {"/in/A.WAV": ["/in/a.wav", "/in/A.wav"]}


def test_other_spellings_of_a_file_elsewhere() -> None:
    assert other_spellings("/far/plain.wav") == []
    assert other_spellings(COMPOSED) == [DECOMPOSED]
    assert other_spellings("s3://bucket/a\\b//c.wav") == ["s3://bucket/a/b/c.wav"]


def test_a_hint_for_messages() -> None:
    assert similar_in_words([]) == ""
    assert similar_in_words(["a.wav", "A.wav"]) == "; similar: a.wav, A.wav; write the name as its file has it"
