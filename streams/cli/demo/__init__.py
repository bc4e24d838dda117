"""The demonstration: two real streams through the whole service, on an embedded broker, with labels that come late."""
