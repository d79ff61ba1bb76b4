"""What a user can do wrong, by kind, and what he is told: tables for tests/test_every_mistake.py."""
