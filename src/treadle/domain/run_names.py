"""Names for runs that were given none: an adjective, an animal and a number."""

from __future__ import annotations

import random

_ADJECTIVES = """
able agile alert amber ample apt azure balmy bold brave brief bright brisk calm candid clear clever cosy crisp curious
dapper daring deft eager early earnest easy even fair fast fine firm fleet fond frank fresh gentle glad golden grand
happy hardy honest humble jolly keen kind lively loyal lucid lucky mellow merry mighty mild modest neat nimble noble
patient plain polite prompt proud quick quiet rapid rare ready ripe robust rosy rustic sharp shiny silent silver sleek
smart smooth snowy sober solid spry steady still sturdy subtle sunny supple sure swift tidy tough tranquil true upbeat
valiant vivid warm wise witty young zesty
"""
_ANIMALS = """
badger bat bear beaver bee bison boar buck bull calf carp cat cod colt crab crane crow deer dog dove duck eagle eel elk
falcon fawn ferret finch fox frog gecko goat goose gull hare hawk hen heron horse ibex ibis jay kite koala lamb lark
lemur lion lizard llama loon lynx marten mink mole moose moth mouse mule newt otter owl ox panda perch pig pony puffin
quail rabbit ram raven robin rook salmon seal shark sheep shrew skunk sloth snail snipe sparrow spider squid stag stoat
stork swan swift tapir tern tiger toad trout turtle viper vole walrus wasp weasel whale wolf wombat wren yak zebra
"""
_NUMBERS = 1000
_FIRST, _SECOND = tuple(_ADJECTIVES.split()), tuple(_ANIMALS.split())


def random_name(source: random.Random | None = None) -> str:
    """Such as ``bold-otter-417``; names may be alike."""
    chosen = source or random
    return f"{chosen.choice(_FIRST)}-{chosen.choice(_SECOND)}-{chosen.randrange(_NUMBERS)}"
