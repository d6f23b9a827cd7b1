"""Property tests share a busy machine with others: no example is too slow, only the whole test is."""

from hypothesis import settings

settings.register_profile("busy", deadline=None)
settings.load_profile("busy")
