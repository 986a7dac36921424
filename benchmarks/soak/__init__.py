"""A soak: mixed good traffic and abuse for a while, and what of the gateway does not stay flat."""
