import numpy as np
import pyarrow as pa

from embed.identity import asset_id, digest, halves_of, segment_id, unit_id
from embed.tables import ID


def test_ids_written_by_hand_are_the_digests() -> None:
    for name in ("radio/a.wav", 'é"\\\n\u2028\x7f\t/𝄞', ""):
        assert asset_id(name) == digest("asset", name)
        for end in (None, 7):
            assert unit_id(b"\x01" * 16, name, "cut", 0, end) == digest("unit", b"\x01" * 16, name, "cut", 0, end)


def test_names_stay_for_ever() -> None:
    """Written down on 2026-11-22: datasets that exist know these names."""
    assert asset_id("radio/a.wav").hex() == "c26f169ea3e4913d9ba3d6433a125d76"
    assert unit_id(b"\x01" * 16, "etag:1", "cut", 0, None).hex() == "7923341160e4fd422bda58f79ac02ed6"


def test_a_place_tells_equal_documents_apart() -> None:
    same = (b"a", "v", "cut", 0, 5, "item")
    assert len({segment_id(*same), segment_id(*same, 0), segment_id(*same, 1)}) == 3


def test_halves_of_any_array() -> None:
    ids = pa.array([bytes([n]) * 16 for n in range(5)], ID)
    for form in (ids, pa.chunked_array([ids[:2], ids[2:]]), pa.chunked_array([ids])):
        first, second = halves_of(form)
        assert np.array_equal(first, second)
        assert (first & 0xFF).tolist() == [0, 1, 2, 3, 4]
    assert (halves_of(ids.slice(3))[0] & 0xFF).tolist() == [3, 4]
    assert len(halves_of(ids.slice(0, 0))[0]) == len(halves_of(pa.chunked_array([], ID))[0]) == 0
