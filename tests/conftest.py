"""What holds for all tests: no test asserts time, so Hypothesis sets no deadline either.

Hypothesis draws the same examples in every run, so that a change is judged by itself; ``make soak`` draws new ones.
"""

import os

from hypothesis import settings

settings.register_profile("treadle", deadline=None, derandomize=True)
settings.register_profile("soak", deadline=None)
settings.load_profile(os.environ.get("TREADLE_PROPERTIES", "treadle"))
