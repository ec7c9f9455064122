"""What enrolment decides, as pure functions: one file an aggregate, `rules` the policy clauses."""
