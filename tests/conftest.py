"""What holds for all tests: no test asserts time, so Hypothesis sets no deadline either."""

from hypothesis import settings

settings.register_profile("treadle", deadline=None)
settings.load_profile("treadle")
