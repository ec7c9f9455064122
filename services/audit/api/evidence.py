"""Raw submissions for auditors: what was really sent, sealed in the vault, each look at it a fact."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Response

from services.audit.api.models import Reason
from services.audit.api.names import Names
from shared.access.bearer import require
from shared.access.commands import Commanded
from shared.access.edge import Dependency
from shared.refusal import Refusal

AUDITOR = "AUDITOR"

OpenEvidence = Callable[[str, str], bytes | None]
"""The raw body by service and SHA-256 in hex; None where none was kept or its person is erased."""


class EvidenceUnknown(Refusal):
    """Nothing readable is kept under that digest: it never came, or its person is erased."""

    code = "evidence.unknown"


ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"application/octet-stream": {}},
        "description": "原始字节 / the bytes as they were sent",
    }
}


def add_evidence(routes: APIRouter, look_by: Dependency, names: Names, open_evidence: OpenEvidence) -> None:
    """Adds the route."""

    @routes.get("/evidence/{service}/{digest}", response_class=Response, responses=ANSWER)
    def evidence(
        service: Literal["enrolment", "certification", "payment"],
        digest: Annotated[str, Path(pattern="^[0-9a-f]{64}$")],
        look: Annotated[Commanded, Depends(look_by)],
        reason: Reason = "",
    ) -> Response:
        """原始报送 / A submission as it was sent, also one in quarantine: for auditors who state a reason.

        It may hold personal data: the reading is a fact before it is an answer. The digest stands in the receipt.
        """
        require(look.actor, AUDITOR)
        names.record(look, digest, ("submission.body",), reason)
        body = open_evidence(service, digest)
        if body is None:
            raise EvidenceUnknown("digest")
        return Response(body, media_type="application/octet-stream")
