"""For authors of extensions: in-memory doubles of the ports, sample records, and contract suites for backends.

:mod:`treadle.testing.memory` and :mod:`treadle.testing.samples` need no test framework;
:mod:`treadle.testing.contracts` needs pytest.
"""
