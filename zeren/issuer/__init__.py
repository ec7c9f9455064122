"""The local issuer of bearer tokens: an OIDC provider's stand-in for the default set-up."""
