"""Shared pieces of the tests: worlds without sockets and without waiting."""
