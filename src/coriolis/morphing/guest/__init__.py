"""The half of OSMorphing that runs as root on the worker VM.

Only the standard library, for Python 3.6 and later: this package is sent through SSH as it stands and
imported from memory. Annotations that 3.6 could not evaluate are quoted.
"""
