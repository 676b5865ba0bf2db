"""The outbox: mails that go out, and what people decide about those that wait for them."""
