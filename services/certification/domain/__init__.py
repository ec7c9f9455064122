"""What certification decides: assessment bodies and candidates. Pure."""
