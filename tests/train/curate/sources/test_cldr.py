from pathlib import Path

import pytest

from train.curate.sources.cldr import NUMBERS, names, words_of_locales

EMOJI = """<ldml><annotations>
<annotation cp="🍎">fruit | pomme</annotation><annotation cp="🍎" type="tts">pomme rouge</annotation>
<annotation cp="🍏" type="tts">↑↑↑</annotation><annotation cp="👍🏻" type="tts">pouce clair</annotation>
</annotations></ldml>"""
MAIN = """<ldml><localeDisplayNames>
<territories><territory type="FR">France</territory><territory type="HK" alt="short">Hongkong</territory></territories>
<languages><language type="wo">wolof</language><language type="fr_CA">français canadien</language></languages>
</localeDisplayNames><dates><calendars><calendar type="gregorian"><days>
<dayContext type="format"><dayWidth type="wide"><day type="mon">lundi</day></dayWidth></dayContext>
</days></calendar></calendars><fields><field type="day"><relative type="0">aujourd’hui</relative>
<relativeTime type="past"><relativeTimePattern count="one">il y a {0} jour</relativeTimePattern>
<relativeTimePattern count="other">il y a {0} jours</relativeTimePattern></relativeTime></field></fields></dates>
<units><unitLength type="long"><unit type="length-meter"><unitPattern count="other">{0} mètres</unitPattern></unit>
</unitLength></units><numbers><currencies><currency type="EUR"><displayName count="other">euros</displayName></currency>
<currency type="XXX"><displayName count="other">nulle part</displayName></currency></currencies></numbers></ldml>"""


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """The package's shape, in French alone."""
    common = tmp_path / "debian/unicode-cldr-core_1/usr/share/unicode/cldr/common"
    for folder, text in (("annotations", EMOJI), ("annotationsDerived", "<ldml/>"), ("main", MAIN)):
        (common / folder).mkdir(parents=True)
        (common / folder / "fr.xml").write_text(text, encoding="utf-8")
    return tmp_path


def test_an_emoji_has_a_name_per_language(cache: Path) -> None:
    assert names(cache, ["fr", "wo"]) == {"cldr:1F34E": {"fr": "pomme rouge"}}


def test_words_of_locales_have_a_number_where_they_want_one(cache: Path) -> None:
    found = {key: texts["fr"] for key, texts in words_of_locales(cache, ["fr", "wo"]).items()}
    plain = {"territory/FR": "France", "language/wo": "wolof", "day/mon": "lundi", "relative/day0": "aujourd’hui"}
    assert {f"cldrmain:{key}": text for key, text in plain.items()}.items() < found.items()
    counted = {"time/day-past": "il y a {} jours", "unit/length-meter": "{} mètres", "money/EUR": "{} euros"}
    for key, text in counted.items():
        assert found[f"cldrmain:{key}"] in [text.format(number) for number in NUMBERS]
    assert len(found) == 7
