"""One public prefix served from two services, route by route, on evidence."""
