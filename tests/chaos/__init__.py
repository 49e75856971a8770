"""The engine under kill -9, paused processes, dead databases and full disks: `make chaos` runs the whole matrix,
`test_chaos.py` a part of it with the other tests."""
