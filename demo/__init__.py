"""The main job on real input, told as a story with figures: `make demo`."""
