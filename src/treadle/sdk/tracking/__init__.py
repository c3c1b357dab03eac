"""Runs logged from any Python program: ``treadle.run()``. The standard library alone, so that models' steps have it.

A call writes to files that are mapped into memory, which costs a microsecond; a thread beside delivers them to the
server. What is not delivered when the program ends, or dies, is delivered by the next one.
"""
