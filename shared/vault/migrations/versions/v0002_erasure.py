"""Erasure of a person: a function of the owner's, which enrolment alone may call, and nothing more than that.

No role may delete or change rows by itself, enrolment neither. Evidence that named nobody may be sealed anew under
the person whom it turns out to name, so that it goes with them. `MAINTAIN` on the one table that holds wrapped keys
lets it rewrite that table's file, so that no deleted key stays in it.
"""

from __future__ import annotations

from alembic import op

revision = "v0002"
down_revision = "v0001"
branch_labels = None
depends_on = None

_ERASURES = """CREATE TABLE erasures (
    person_id uuid NOT NULL REFERENCES persons (person_id),
    order_no integer NOT NULL,
    data_keys integer NOT NULL,
    "values" integer NOT NULL,
    commitments integer NOT NULL,
    submissions integer NOT NULL,
    accounts integer NOT NULL,
    erased_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (person_id, order_no)
)"""

# The person's row is locked first: two calls at once wait, and the second finds what the first wrote. An account's
# index goes too: the same number registered after a new enrolment must be sealed under the new key.
_ERASE = """CREATE FUNCTION erase_person(erased uuid, number integer) RETURNS SETOF erasures
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    keys integer; cells integer; committed integer; bodies integer; payees integer;
BEGIN
    PERFORM 1 FROM persons WHERE person_id = erased FOR UPDATE;
    IF FOUND AND NOT EXISTS (SELECT 1 FROM erasures WHERE person_id = erased AND order_no = number) THEN
        DELETE FROM sealed_values WHERE person_id = erased;
        GET DIAGNOSTICS cells = ROW_COUNT;
        UPDATE commitments SET sealed = NULL FROM steps
            WHERE steps.digest = commitments.digest AND steps.person_id = erased AND sealed IS NOT NULL;
        GET DIAGNOSTICS committed = ROW_COUNT;
        UPDATE evidence SET sealed = NULL WHERE person_id = erased AND sealed IS NOT NULL;
        GET DIAGNOSTICS bodies = ROW_COUNT;
        UPDATE payee_accounts SET sealed = NULL, number_index = sha256(account_id::text::bytea)
            WHERE owner_kind = 'PERSON' AND owner = erased::text AND sealed IS NOT NULL;
        GET DIAGNOSTICS payees = ROW_COUNT;
        DELETE FROM data_keys WHERE person_id = erased;
        GET DIAGNOSTICS keys = ROW_COUNT;
        UPDATE persons SET erased_at = now() WHERE person_id = erased;
        INSERT INTO erasures VALUES (erased, number, keys, cells, committed, bodies, payees);
    END IF;
    RETURN QUERY SELECT * FROM erasures WHERE person_id = erased AND order_no = number;
END $$"""


# Only what named nobody, and only by the service whose evidence it is: what is sealed for a person stays as it is.
_ATTRIBUTE = """CREATE FUNCTION attribute_evidence(of_service text, of_digest text, person uuid, body bytea)
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE evidence SET person_id = person, sealed = body
    WHERE service = of_service AND digest = of_digest AND person_id IS NULL
        AND session_user = 'vault_' || of_service
$$"""


def upgrade() -> None:
    """Make the table and the function, and grant."""
    # Or the planner's statistics would keep copies of wrapped keys, which no rewrite of the table takes away.
    op.execute("ALTER TABLE data_keys ALTER COLUMN wrapped SET STATISTICS 0")
    op.execute(_ERASURES)
    op.execute(_ERASE)
    op.execute(_ATTRIBUTE)
    op.execute("REVOKE ALL ON FUNCTION erase_person(uuid, integer) FROM PUBLIC")
    op.execute("REVOKE ALL ON FUNCTION attribute_evidence(text, text, uuid, bytea) FROM PUBLIC")
    op.execute(
        "GRANT EXECUTE ON FUNCTION attribute_evidence(text, text, uuid, bytea)"
        " TO vault_enrolment, vault_certification"
    )
    op.execute("GRANT EXECUTE ON FUNCTION erase_person(uuid, integer) TO vault_enrolment")
    op.execute("GRANT MAINTAIN ON data_keys TO vault_enrolment")
    op.execute("GRANT SELECT (person_id, erased_at) ON persons TO vault_audit")
    # Auditors read what was really sent, for a stated reason; the reading is a fact.
    op.execute("GRANT SELECT ON evidence TO vault_audit")
