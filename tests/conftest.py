from hypothesis import settings

pytest_plugins = ["tests.services.fixtures"]

# no test is decided by a clock: on a busy machine one example in ten takes a second
settings.register_profile("coriolis", deadline=None)
settings.load_profile("coriolis")
