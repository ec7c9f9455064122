"""Certificates: shown to the person who holds them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from services.certification.api.models import Certificates, Limit
from services.certification.domain.refusals import NotOwnRecord
from services.certification.projections import certificates_by_person
from shared.access.actor import Actor
from shared.access.edge import Dependency, Edge
from shared.access.fields import After


def add_views(routes: APIRouter, edge: Edge, authenticate: Dependency) -> None:
    """Adds a person's look at their own."""

    @routes.get("/certificates")
    async def list_certificates(
        actor: Annotated[Actor, Depends(authenticate)],
        person: Annotated[str, Query(min_length=1, max_length=64)],
        after: After = 0,
        limit: Limit = 50,
    ) -> Certificates:
        """本人证书 / A person's certificates in the order of issue: only with that person's own token."""
        if actor.kind != "person" or actor.id != person:
            raise NotOwnRecord("person")
        rows = await edge.ask(
            lambda connection: certificates_by_person.certificates_of(
                connection, person, after=after, limit=limit
            )
        )
        following = rows[-1]["position"] if len(rows) == limit else None
        return Certificates.model_validate({"items": rows, "next": following})
