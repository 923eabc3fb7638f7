"""Intents of Home Assistant: requests to a house in English and French, made from the sentence templates of a package.

The package names no rooms and no devices, and has lists without values; a few of each are here.  Texts that two
intents have are left out.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from embed.errors import InputError
from embed.storage.cache import cache_folder
from evaluate.intents.requests import Request
from evaluate.intents.templates import Templates
from train.curate.clip import text_key
from train.curate.packages import pip

PACKAGE, VERSION = "home-assistant-intents", "2026.10.27"
SHA256 = "256eb1e4fc6e6f4943d0ba4e089c9639d74d0e9d62ccddeb7148bc168de55e40"
LICENCE = "Apache-2.0"
EACH = 32  # sentences of a template
NUMBERS = 8  # values of a range

VALUES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "en": {
        "area": ("kitchen", "living room", "bedroom", "bathroom", "office", "garage", "hallway", "garden"),
        "floor": ("ground floor", "first floor", "second floor", "basement", "attic"),
        "name": (
            "desk lamp",
            "ceiling fan",
            "front door",
            "radio",
            "heater",
            "coffee machine",
            "curtain",
            "porch light",
        ),
        "message": ("dinner is ready", "we are leaving now", "the film begins", "it is time for bed"),
        "search_query": ("jazz", "the evening news", "the Beatles", "a story for children", "piano music"),
        "zone": ("home", "school", "work"),
        "timer_name": ("pizza", "tea", "laundry", "homework"),
        "timer_command": ("turn off the lights", "close the garage", "start the fan"),
        "shopping_list_item": ("milk", "bread", "apples", "coffee", "soap"),
        "todo_list_item": ("call the doctor", "water the plants", "pay the rent", "wash the car"),
    },
    "fr": {
        "area": ("cuisine", "salon", "chambre", "salle de bain", "bureau", "garage", "couloir", "jardin"),
        "floor": ("rez-de-chaussée", "premier étage", "deuxième étage", "sous-sol", "grenier"),
        "name": (
            "lampe de chevet",
            "ventilateur",
            "porte d'entrée",
            "radio",
            "chauffage",
            "cafetière",
            "rideau",
            "guirlande",
        ),
        "message": ("le dîner est prêt", "on part maintenant", "le film commence", "il est l'heure de dormir"),
        "search_query": ("du jazz", "le journal du soir", "les Beatles", "une histoire pour enfants", "du piano"),
        "zone": ("maison", "école", "travail"),
        "timer_name": ("pizza", "thé", "lessive", "devoirs"),
        "timer_command": ("éteins les lumières", "ferme le garage", "allume le ventilateur"),
        "shopping_list_item": ("lait", "pain", "pommes", "café", "savon"),
        "todo_list_item": ("appeler le médecin", "arroser les plantes", "payer le loyer", "laver la voiture"),
    },
}
LANGS = tuple(VALUES)


def home_assistant(langs: Sequence[str], seed: int) -> list[Request]:
    """Requests as text, at most 32 of a template.  Raises InputError for other languages, DataUnavailable."""
    if unknown := sorted(set(langs) - set(LANGS)):
        raise InputError(
            f"intents of {PACKAGE}: no {', '.join(unknown)} here; give {' or '.join(LANGS)}, or a manifest of requests"
        )
    folder = pip.fetch(PACKAGE, VERSION, SHA256, cache_folder()) / "home_assistant_intents" / "data"
    found = []
    for lang in dict.fromkeys(langs):
        found += requests_of(json.loads((folder / f"{lang}.json").read_text(encoding="utf-8")), lang, seed)
    return found


def requests_of(package: Mapping[str, Any], lang: str, seed: int) -> list[Request]:
    """Requests of one language, from the package's own JSON."""
    lists = {**{name: _values(given) for name, given in package["lists"].items()}, **VALUES[lang]}
    found: dict[str, dict[str, Request]] = defaultdict(dict)  # by wording, then label
    for label, intent in package["intents"].items():
        for number, block in enumerate(intent["data"]):
            rules = {**package["expansion_rules"], **block.get("expansion_rules", {})}
            own = {name: _values(given) for name, given in block.get("lists", {}).items()}
            templates = Templates(rules, {**lists, **own})
            for place, template in enumerate(block["sentences"]):
                name = f"{label}/{number}/{place}"
                for text in templates.sentences(template, EACH, f"{seed}|{lang}"):
                    one = Request(label, lang, text, template=name, place=f"{PACKAGE} {VERSION}, {lang}, {name}")
                    found[text_key(text)].setdefault(label, one)
    return [one for key, by_label in found.items() if key and len(by_label) == 1 for one in by_label.values()]


def _values(given: Mapping[str, Any]) -> tuple[str, ...]:
    """Values of a list; some numbers of a range; none of a list that anything may fill."""
    if "range" in given:
        first, last = int(given["range"]["from"]), int(given["range"]["to"])
        step = max(int(given["range"].get("step", 1)), (last - first) // NUMBERS)
        return tuple(str(one) for one in range(first + step, last + 1, step))
    return tuple(one if isinstance(one, str) else str(one["in"]) for one in given.get("values", ()))
