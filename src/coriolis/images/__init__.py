"""Drivers of images that the conductor reads or writes itself, without a worker VM.

`python -m coriolis.images` plays the agent's part for one such image: the same frames (`coriolis.agent`), another disk
below them. A driver is a module with

    open_image(image: ImageDisk, opening: Opening) -> coriolis.agent.disk.Disk

named in `registry.DRIVERS`. It knows one storage protocol and no cloud; what it needs stands in `image.parameters`,
which the provider writes with the dataclass that the driver defines for them.
"""
