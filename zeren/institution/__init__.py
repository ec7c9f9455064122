"""An institution's own side: its keys, its signed files, what it sends to Kafka and the receipts it gets."""
