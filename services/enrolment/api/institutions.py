"""Organisations, their keys and payee accounts."""

import asyncio
from collections.abc import Callable
from datetime import UTC
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from services.enrolment.api.models import (
    InstitutionDetail,
    InstitutionPage,
    InstitutionView,
    KeyEnd,
    KeyRevoked,
    KeyView,
    Kind,
    Limit,
    NewAccount,
    NewInstitution,
    NewKey,
    Registered,
    UsccText,
)
from services.enrolment.domain import institution as organisations
from services.enrolment.domain.institution import InstitutionUnknown, PayeeAccount, UsccInvalid, institution
from services.enrolment.domain.keys import KEYS
from services.enrolment.projections import institutions as on_the_books
from shared.access.commands import Commanded
from shared.access.edge import Asked, Dependency, Edge, Reply
from shared.contracts.fact import PROVINCE
from shared.eventstore.desk import Draft
from shared.identity import institution_id, is_uscc
from shared.policy.book import PolicyBook

RegisterAccount = Callable[[str, NewAccount], tuple[str, str]]
"""(USCC, account) → (account id, commitment): the vault's step, the same answer for the same number."""

REGISTRAR = "REGISTRAR"
MAX_KEYS = 50


def add_commands(
    routes: APIRouter, edge: Edge, asked_by: Dependency, register_account: RegisterAccount
) -> None:
    """Adds the registration of organisations and of further keys."""

    @routes.post("/institutions", response_model=Registered, tags=["institutions"])
    async def register_institution(
        body: NewInstitution, asked: Annotated[Asked, Depends(asked_by)]
    ) -> Response:
        """Registers an organisation with its first key (duty REGISTRAR). The same again changes nothing."""
        subject = institution_id(body.uscc)
        await edge.demand(asked, REGISTRAR, action="RegisterInstitution", subject=subject)
        if not is_uscc(body.uscc):
            raise UsccInvalid("uscc")
        account = None
        if body.account is not None:
            account_id, commitment = await asyncio.to_thread(register_account, body.uscc, body.account)
            account = PayeeAccount(account_id=account_id, commitment=commitment)

        def decide(draft: Draft, commanded: Commanded) -> Reply:
            facts = _register(draft, commanded, edge.book, body, account)
            return _registered(body.uscc, facts + _register_key(draft, commanded, body.uscc, body.key))

        # The account's number may stand nowhere but in the vault, not even hashed with the request.
        plain = body.model_dump_json(exclude={"account"}) + (account.account_id if account else "")
        return await edge.run(asked, decide, body=plain.encode())

    @routes.post("/institutions/{uscc}/keys", response_model=Registered, tags=["institutions"])
    async def register_key(
        uscc: Annotated[UsccText, Path()], body: NewKey, asked: Annotated[Asked, Depends(asked_by)]
    ) -> Response:
        """Registers a further signing key (duty REGISTRAR). The same again changes nothing."""
        await edge.demand(asked, REGISTRAR, action="RegisterKey", subject=institution_id(uscc))

        def decide(draft: Draft, commanded: Commanded) -> Reply:
            return _registered(uscc, _register_key(draft, commanded, uscc, body))

        return await edge.run(asked, decide, body=uscc.encode() + asked.body)

    _add_revocation(routes, edge, asked_by)


def _add_revocation(routes: APIRouter, edge: Edge, asked_by: Dependency) -> None:
    @routes.post(
        "/institutions/{uscc}/keys/{key_id}/revocation", response_model=KeyRevoked, tags=["institutions"]
    )
    async def revoke_key(
        uscc: Annotated[UsccText, Path()],
        key_id: Annotated[str, Path(max_length=64)],
        body: KeyEnd,
        asked: Annotated[Asked, Depends(asked_by)],
    ) -> Response:
        """Ends a signing key (duty REGISTRAR). Each service takes it in with the fact; see its `/keys/{key_id}`."""
        await edge.demand(asked, REGISTRAR, action="RevokeKey", subject=institution_id(uscc))

        def decide(draft: Draft, commanded: Commanded) -> Reply:
            end = (body.valid_until or commanded.now).astimezone(UTC)
            command = organisations.RevokeKey(uscc=uscc, key_id=key_id, valid_until=end, reason=body.reason)
            return _revoke_key(draft, commanded, command)

        return await edge.run(asked, decide, body=f"{uscc}/{key_id}/".encode() + asked.body)


def add_views(routes: APIRouter, edge: Edge, handler: Dependency) -> None:
    """Adds what handlers see of organisations."""

    @routes.get("/institutions", tags=["institutions"], dependencies=[Depends(handler)])
    async def list_institutions(
        kind: Kind | None = None, after: Annotated[str, Query(max_length=18)] = "", limit: Limit = 50
    ) -> InstitutionPage:
        """Organisations on the books, by USCC."""
        rows = await edge.ask(
            lambda connection: on_the_books.list_institutions(
                connection, kind=kind, after=after, limit=limit + 1
            )
        )
        items = [InstitutionView(**row) for row in rows[:limit]]
        return InstitutionPage(items=items, next=items[-1].uscc if len(rows) > limit else None)

    @routes.get("/institutions/{uscc}", tags=["institutions"], dependencies=[Depends(handler)])
    async def get_institution(uscc: Annotated[UsccText, Path()]) -> InstitutionDetail:
        """One organisation with its keys."""
        row = await edge.ask(lambda connection: on_the_books.find(connection, uscc))
        if row is None:
            raise InstitutionUnknown("uscc")
        keys = await edge.ask(lambda connection: on_the_books.keys_of(connection, uscc, limit=MAX_KEYS))
        return InstitutionDetail(**row, keys=[KeyView(**key) for key in keys])


def _register(
    draft: Draft, commanded: Commanded, book: PolicyBook, body: NewInstitution, account: PayeeAccount | None
) -> list[str]:
    stream = institution_id(body.uscc)
    command = organisations.RegisterInstitution(
        uscc=body.uscc,
        name=body.name,
        kind=body.kind,
        region=body.region,
        region_known=body.region in {PROVINCE, *(region.code for region in book.regions())},
        account=account,
    )
    given = commanded.given(draft, region=body.region, correlation=stream, duty=REGISTRAR)
    return draft.execute(institution, stream, command, given)


def _register_key(draft: Draft, commanded: Commanded, uscc: str, key: NewKey) -> list[str]:
    stream = institution_id(uscc)
    known = draft.state(institution, stream).registered
    command = organisations.RegisterKey(
        uscc=uscc,
        key_id=key.key_id,
        public_key=key.public_key,
        valid_from=key.valid_from.astimezone(UTC),
        valid_until=key.valid_until.astimezone(UTC) if key.valid_until else None,
        holder=draft.holder(KEYS, key.key_id),
    )
    region = known.region if known else PROVINCE
    given = commanded.given(draft, region=region, correlation=stream, duty=REGISTRAR)
    return draft.execute(institution, stream, command, given)


def _revoke_key(draft: Draft, commanded: Commanded, command: organisations.RevokeKey) -> Reply:
    stream = institution_id(command.uscc)
    known = draft.state(institution, stream).registered
    if known is None:
        raise InstitutionUnknown("uscc")
    given = commanded.given(draft, region=known.region, correlation=stream, duty=REGISTRAR)
    facts = draft.execute(institution, stream, command, given)
    told = {"uscc": command.uscc, "key_id": command.key_id, "valid_until": command.valid_until}
    return Reply(told | {"facts": facts})


def _registered(uscc: str, facts: list[str]) -> Reply:
    return Reply({"uscc": uscc, "outcome": "done" if facts else "already", "facts": facts})
