"""The decision trace: which dated rule gave which result, so that an auditor can decide again.

It is part of a fact's data, so its JSON keys are short and permanent. Defaults are left out of the bytes.

    DecisionTrace   result                  what was decided, a code
                    fen       amount_fen    the amount decided, where money is
                    steps
    TraceStep       r         rule          what was asked of the policy
                    p         ref           the package that answered; absent: no package did
                    i         inputs        the facts it was asked with, in the order in which they were read
                    o         result        what it answered, a code
                    fen       amount_fen    the amount after this step
                    over                    what lost to this answer, best first: "package@version#entry"
    PolicyRef       p         package
                    v         version
                    h         sha256        of the package file, hex; only where the trace first names it
                    e         entry
                    demo, verified          left out when false

The same facts and the same packages give the same bytes by `msgspec.json.encode`.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec


class PolicyRef(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    rename={"package": "p", "version": "v", "sha256": "h", "entry": "e"},
):
    """A place in a policy package.

    Attributes:
        version: 1, 2, 3 …; a version is immutable.
        sha256: of the package file's bytes, hex. Empty where an earlier step names the same version.
        entry: the entry's id within the package; empty: the package as a whole.
        demo: an invented figure, shown with a DEMO mark wherever it appears.
        verified: the issuer's own text was read.
    """

    package: str
    version: int
    sha256: str = ""
    entry: str = ""
    demo: bool = False
    verified: bool = False

    @property
    def name(self) -> str:
        """As it stands in `TraceStep.over`: "xiamen-2024@1#level-5"."""
        return f"{self.package}@{self.version}" + (f"#{self.entry}" if self.entry else "")


class TraceStep(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    rename={"rule": "r", "ref": "p", "inputs": "i", "result": "o", "amount_fen": "fen"},
):
    """One rule asked and answered. See the module's table."""

    rule: str
    ref: PolicyRef | None = None
    inputs: dict[str, str | int] = {}
    result: str
    amount_fen: int | None = None
    over: tuple[str, ...] = ()


class DecisionTrace(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, rename={"amount_fen": "fen"}
):
    """A decision under policy, step by step. Make it with `decided`."""

    result: str
    amount_fen: int | None = None
    steps: tuple[TraceStep, ...]

    @property
    def refs(self) -> Iterator[PolicyRef]:
        """Every place that answered, in order."""
        return (step.ref for step in self.steps if step.ref is not None)

    @property
    def demo(self) -> bool:
        """Some figure in it is invented: show the DEMO mark."""
        return any(step.ref is not None and step.ref.demo for step in self.steps)

    @property
    def verified(self) -> bool:
        """Every figure in it was read in the issuer's own text."""
        return all(step.ref is None or step.ref.verified for step in self.steps)


def decided(result: str, *steps: TraceStep, amount_fen: int | None = None) -> DecisionTrace:
    """A trace of these steps; a package's digest stands where the trace first names it."""
    named: set[tuple[str, int]] = set()
    compact: list[TraceStep] = []
    for step in steps:
        ref = step.ref
        if ref is not None and (ref.package, ref.version) in named:
            known = msgspec.structs.replace(ref, sha256="")
            compact.append(msgspec.structs.replace(step, ref=known))
            continue
        if ref is not None:
            named.add((ref.package, ref.version))
        compact.append(step)
    return DecisionTrace(result=result, amount_fen=amount_fen, steps=tuple(compact))
