"""The parts of a comparison, each a function of its arguments: headers, JSON, single values."""
