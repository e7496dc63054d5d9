"""What holds for every test: a busy machine is no failure."""

from hypothesis import HealthCheck, settings

# Hypothesis measures wall time for these two; what the tests claim does not depend on it, and on a shared
# machine one slow second of the neighbours would fail them.
settings.register_profile("shared-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared-machine")
