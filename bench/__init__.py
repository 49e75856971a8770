"""Benchmarks: tools that tell what the product costs, and where."""
