"""The local stack: PostgreSQL, Kafka and every process of Zeren, started, watched, stopped and taken over."""
