"""A small servo arm that lives in the tests: three joints, a request-and-reply bus, and no body velocity."""
