"""The world of the domain's tests, here too."""

from tests.domain.enrolment.conftest import in_class, world

__all__ = ["in_class", "world"]
