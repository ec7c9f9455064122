"""The vault: the one place with personal data, used as one uses a key service; see `shared.vault.vault`."""
