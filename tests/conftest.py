"""What every test shares: properties are about truth, not about how busy the machine is."""

from hypothesis import settings

settings.register_profile("leash", deadline=None)
settings.load_profile("leash")
