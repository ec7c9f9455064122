"""A policy package version is published once and never changes."""

from __future__ import annotations

import msgspec

from services.payment.domain.published_policy import Publish, VersionChanged, published_policy
from shared.contracts.payment import PolicyPublished
from shared.testing.scenario import given

published = PolicyPublished(package="xiamen-2024", version="1", sha256="a" * 64, verified=False, demo=False)


def test_a_version_is_published_once() -> None:
    given(published_policy).when(Publish(published=published)).then(published).when(
        Publish(published=published)
    ).then_nothing()


def test_a_published_version_with_other_bytes_is_refused() -> None:
    changed = msgspec.structs.replace(published, sha256="b" * 64)
    given(published_policy, published).when(Publish(published=changed)).then_refused(VersionChanged, "sha256")
