"""What a prompt asks the painter for: its words mapped to things, places, hours, weathers and colours."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

WORDS: Mapping[str, str] = {
    word: meaning
    for meaning, words in {
        "lighthouse": "lighthouse beacon",
        "cliff": "cliff cliffs coast coastal headland crag shore rocks rocky",
        "sea": "sea ocean water lake bay harbor harbour river beach island wave waves fjord pond lagoon nautical",
        "mountain": "mountain peak alps alpine summit himalaya everest ridge volcano mount fuji andes",
        "hill": "hill valley countryside farm field meadow grass pasture landscape prairie garden park",
        "forest": "forest wood woods jungle pine spruce taiga woodland grove wilderness",
        "tree": "tree oak willow maple bonsai birch",
        "blossom": "sakura blossom cherry",
        "palm": "palm tropical paradise hawaii caribbean oasis",
        "city": "city skyline skyscraper town downtown metropolis street tokyo york london hacking hacker cyberpunk "
        "urban manhattan shanghai futuristic building",
        "castle": "castle fortress palace tower citadel kingdom knight fairytale medieval dragon",
        "house": "house cottage cabin hut barn home village chalet farmhouse windmill mill",
        "temple": "temple pagoda shrine japan japanese kyoto samurai",
        "pyramid": "pyramid egypt egyptian pharaoh giza",
        "desert": "desert dune sahara sand camel wasteland mars cactus",
        "flower": "flower rose tulip daisy poppy sunflower lavender wildflower bouquet lily orchid",
        "boat": "boat sailboat ship yacht sail sailing pirate vessel schooner",
        "car": "car delorean automobile truck taxi roadster porsche ferrari vehicle racing",
        "cat": "cat kitten kitty feline tiger panther lynx",
        "dog": "dog puppy wolf hound corgi husky",
        "fox": "fox",
        "bird": "bird seagull gull eagle swallow crow raven dove crane flock owl",
        "balloon": "balloon zeppelin airship",
        "rocket": "rocket spaceship spacecraft shuttle starship",
        "robot": "robot android mech cyborg droid",
        "person": "person man woman girl boy figure wanderer traveler traveller hiker wizard witch hero warrior king "
        "queen child human portrait monk",
        "astronaut": "astronaut cosmonaut spaceman",
        "deer": "deer stag elk moose reindeer horse unicorn",
        "whale": "whale dolphin orca",
        "fish": "fish goldfish koi aquarium reef coral jellyfish octopus shark turtle underwater submarine mermaid",
        "mushroom": "mushroom toadstool fairy gnome",
        "planet": "planet saturn jupiter alien exoplanet",
        "space": "space galaxy nebula cosmos universe cosmic interstellar orbit milky",
        "moon": "moon moonlight moonlit lunar crescent",
        "star": "star stars starry stargazing constellation starlight",
        "aurora": "aurora borealis northern",
        "clock": "clock watch time hourglass",
        "bridge": "bridge viaduct aqueduct",
        "sunset": "sunset sundown golden evening dramatic warm autumn fall romantic",
        "dawn": "dawn sunrise morning daybreak pastel spring serene calm peaceful",
        "dusk": "dusk twilight gloaming",
        "night": "night midnight dark nocturnal nighttime noir",
        "day": "day noon daylight summer sunny bright midday blue-sky",
        "storm": "storm stormy thunder tempest hurricane thunderstorm",
        "lightning": "lightning thunderbolt electric",
        "rain": "rain rainy drizzle wet downpour",
        "fog": "fog foggy mist misty haze hazy ethereal spooky haunted ghost",
        "snow": "snow snowy winter ice icy frozen arctic glacier christmas antarctica blizzard cold",
        "cloud": "cloud cloudy clouds overcast",
        "rainbow": "rainbow",
    }.items()
    for word in words.split()
}

COLOURS: Mapping[str, str] = {
    "red": "c8322b",
    "crimson": "a8152d",
    "scarlet": "d8231f",
    "orange": "e8822a",
    "amber": "e9a227",
    "yellow": "f0c93a",
    "gold": "dba53a",
    "green": "4c9a4a",
    "emerald": "1f9a6b",
    "lime": "98c93c",
    "teal": "1f8f8f",
    "turquoise": "3fc1b8",
    "cyan": "38b8d8",
    "blue": "2f62c0",
    "navy": "22356f",
    "azure": "4a9be0",
    "purple": "7a41a8",
    "violet": "7f52c9",
    "indigo": "4a3fa0",
    "pink": "ea7fa8",
    "magenta": "d03c9a",
    "brown": "80583a",
    "white": "f1efe8",
    "silver": "b9c0c6",
    "grey": "8a9096",
    "gray": "8a9096",
    "black": "26282c",
}

KINDS: Mapping[str, tuple[str, str]] = {
    "sunflower": ("flower", "f2c22e"),
    "rose": ("flower", "c2263a"),
    "poppy": ("flower", "dd2f22"),
    "lavender": ("flower", "8a68cc"),
    "daisy": ("flower", "f4f1e8"),
    "orchid": ("flower", "d56cb0"),
    "goldfish": ("fish", "f08a2a"),
    "raven": ("bird", "1c1d22"),
    "crow": ("bird", "1c1d22"),
    "wolf": ("dog", "7c8088"),
    "husky": ("dog", "8b929a"),
    "corgi": ("dog", "cf8a48"),
    "tiger": ("cat", "e0802a"),
    "panther": ("cat", "26262c"),
    "unicorn": ("deer", "f2eef2"),
    "wizard": ("person", "4a3a8a"),
    "witch": ("person", "2c2438"),
    "autumn": ("tree", "cc6a26"),
}
"""Words that imply a colour."""

HOURS = ("sunset", "dawn", "dusk", "night", "day")
GROUNDS = ("sea", "hill", "forest", "mountain", "desert", "city")
THINGS = tuple(
    "lighthouse castle house temple pyramid tree palm flower boat car cat dog fox balloon rocket robot person "
    "astronaut deer whale mushroom clock bridge planet bird fish".split()
)
WET = frozenset({"boat", "whale", "bridge"})


@dataclass(frozen=True, slots=True)
class Brief:
    """What to paint. ``tint`` colours everything, ``colours`` the named things; ``key`` seeds the composition."""

    hour: str
    features: frozenset[str]
    things: tuple[str, ...]
    colours: Mapping[str, str] = field(default_factory=dict)
    tint: str | None = None
    key: int = 0

    def has(self, *features: str) -> bool:
        return not self.features.isdisjoint(features)


def meanings(text: str) -> list[str]:
    """The words of a text, in the singular if only the singular is known."""
    found = []
    for word in re.findall(r"[a-z]+", text.lower()):
        shorter = [word, word.removesuffix("s"), word.removesuffix("es")]
        if word.endswith("ies"):
            shorter.append(word.removesuffix("ies") + "y")
        found.append(next((form for form in shorter if form in WORDS or form in COLOURS), word))
    return found


def read(prompt: str, negative: str, seed: int) -> Brief:
    """Understand a prompt. Unknown words still affect the composition, together with the seed."""
    words = meanings(prompt)
    unwanted = {WORDS.get(word, word) for word in meanings(negative)}
    key = int.from_bytes(hashlib.blake2b(" ".join([*words, str(seed)]).encode(), digest_size=8).digest(), "big")
    features, colours, tint = set(), {}, None
    pending: str | None = None
    for word in words:
        if word in COLOURS:
            if word not in unwanted:
                pending = COLOURS[word]
                tint = tint or pending
            continue
        meaning = WORDS.get(word)
        if meaning is None or meaning in unwanted:
            continue
        features.add(meaning)
        if pending is not None and meaning in THINGS:
            colours[meaning] = pending
            tint = None if tint == pending else tint
        pending = None
    if "blossom" in features:
        features.add("tree")
    things = tuple(thing for thing in THINGS if thing in features)
    _complete(features, things, unwanted, key)
    return Brief(_hour(features, unwanted, key), frozenset(features), things[:4], colours, tint, key)


def _complete(features: set[str], things: tuple[str, ...], unwanted: set[str], key: int) -> None:
    """Add ground and a subject if the prompt names none."""
    if features & {"lighthouse", "cliff"}:
        features |= {"cliff", "sea"}
    if features & WET:
        features.add("sea")
    if "castle" in features:
        features.discard("city")
        if not features & set(GROUNDS):
            features.add("hill")
    if features & {"pyramid"}:
        features.add("desert")
    if features & {"temple"} and not features & {"mountain", "sea", "city"}:
        features |= {"mountain", "hill"}
    if features & {"astronaut", "planet", "rocket"} and not features & set(GROUNDS):
        features.add("space")
    if not features & {*GROUNDS, "space"}:
        allowed = [ground for ground in GROUNDS if ground not in unwanted] or ["hill"]
        if things:
            allowed = [ground for ground in allowed if ground in ("hill", "mountain", "forest")] or ["hill"]
        features.add(allowed[key % len(allowed)])
    features -= unwanted


def _hour(features: set[str], unwanted: set[str], key: int) -> str:
    for hour in HOURS:
        if hour in features:
            return hour
    if features & {"moon", "star", "aurora", "space"}:
        return "night"
    if features & {"storm", "lightning", "rain"}:
        return "storm"
    if "fog" in features:
        return "fog"
    choice = [hour for hour in ("sunset", "dawn", "day", "day", "sunset", "dusk") if hour not in unwanted]
    return choice[(key >> 8) % len(choice)] if choice else "day"
