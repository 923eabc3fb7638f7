"""The page as bytes: small, of one piece, and let run by its policy alone.  test_page_in_chromium.py uses it."""

import base64
import hashlib
import re
import subprocess
import tomllib
from html.parser import HTMLParser
from pathlib import Path

from index.serve.routes.page_file import FILE, page, policy

HOUSE = Path(__file__).resolve().parents[3]
HANDLERS = re.compile(r"^(on\w+|style)$")


class Elements(HTMLParser):
    """All start tags with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_it_is_small_and_asks_nobody_else() -> None:
    assert len(page()) <= 60_000
    addresses = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^'\"` ]*", page().decode()))
    assert addresses == {"http://www.w3.org/2000/svg"}, "a name of a language, which nobody opens"


def test_its_policy_lets_its_own_script_and_styles_run_and_nothing_else() -> None:
    rules = dict(rule.split(" ", 1) for rule in policy().split("; "))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in policy()
    for tag in ("script", "style"):
        (inside,) = re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>", page().decode(), re.DOTALL)
        assert rules[f"{tag}-src"] == f"'sha256-{base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()}'"
    inline = [(tag, name) for tag, about in Elements(page().decode()).found for name in about if HANDLERS.match(name)]
    assert not inline, "the policy stops these"


def test_every_control_has_a_name() -> None:
    elements = Elements(page().decode()).found
    labelled = {about["for"] for tag, about in elements if tag == "label" and "for" in about}
    inside = re.findall(r"<label[^>]*><span.*?id=\"(\w+)\"", page().decode())
    for tag, about in elements:
        if tag in ("input", "select") and "hidden" not in about:
            assert about["id"] in labelled | set(inside), f"{tag} {about['id']} has no label"
    ids = [about["id"] for _, about in elements if "id" in about]
    assert len(ids) == len(set(ids))


def test_an_installed_wheel_has_it() -> None:
    """Hatchling takes all files of a package that git does not ignore."""
    packages = tomllib.loads((HOUSE / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert FILE.relative_to(HOUSE).parts[0] in packages["packages"]
    assert not set(packages) & {"exclude", "only-include"}
    ignored = subprocess.run(["git", "check-ignore", "-q", FILE], cwd=HOUSE, check=False).returncode
    assert ignored != 0
