import pytest

from embed.archive.numbered import folder_above, numbered
from embed.errors import SpecError


@pytest.mark.parametrize(
    ("url", "urls"),
    [
        ("/a/b.tar", []),
        ("/a/{b}.tar", []),
        ("/a/b-{0..2}.tar", ["/a/b-0.tar", "/a/b-1.tar", "/a/b-2.tar"]),
        ("s3://x/b__OP_9..10_CL_.tar", ["s3://x/b_9.tar", "s3://x/b_10.tar"]),
        ("/a/b-{0008..0010}.tar", ["/a/b-0008.tar", "/a/b-0009.tar", "/a/b-0010.tar"]),
        ("/a{0..1}/b{5..6}", ["/a0/b5", "/a0/b6", "/a1/b5", "/a1/b6"]),
    ],
)
def test_numbered_files(url: str, urls: list[str]) -> None:
    assert numbered(url) == urls


def test_the_folder_that_has_them_all() -> None:
    assert folder_above("/a/x{0..1}/b{5..6}") == "/a"
    assert folder_above("s3://x/b__OP_9..10_CL_.tar") == "s3://x"


@pytest.mark.slow
@pytest.mark.parametrize("url", ["/a/{0..9999999}", "/a/{5..4}", "/a/{0..99999}{0..99999}"])
def test_a_range_that_is_none(url: str) -> None:
    with pytest.raises(SpecError, match="give one of 1 to 1,000,000"):
        numbered(url)
