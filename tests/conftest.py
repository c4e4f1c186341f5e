"""What all tests share."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A fresh clone on a busy machine first builds hypothesis's table of characters: no test is to fail by the clock.
settings.register_profile("kgzsl", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kgzsl")
