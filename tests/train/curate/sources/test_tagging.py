import json
from pathlib import Path

import pytest

from train.curate.sources.tagging import names

FRENCH = {
    "presets": {"shop/bakery": {"name": "Boulangerie"}, "ref": {"name": "{shop/bakery}"}, "old": {}},
    "categories": {"category-food": {"name": "Nourriture (tous)"}},
    "fields": {"access": {"label": "Accès", "options": {"yes": {"title": "Permis"}, "no": "Non", "x": "a=b c"}}},
}


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    folder = tmp_path / "npm/@openstreetmap+id-tagging-schema_6.19.2/dist/translations"
    folder.mkdir(parents=True)
    (folder / "fr.json").write_text(json.dumps({"fr": {"presets": FRENCH}}), encoding="utf-8")
    return tmp_path


def test_names_of_places_and_things(cache: Path) -> None:
    assert {key: texts["fr"] for key, texts in names(cache, ["fr", "wo"]).items()} == {
        "id:preset/shop/bakery": "Boulangerie",
        "id:category/category-food": "Nourriture",
        "id:field/access": "Accès",
        "id:option/access/yes": "Permis",
        "id:option/access/no": "Non",
    }
