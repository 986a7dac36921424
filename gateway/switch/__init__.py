"""One prefix over two services, route by route: who answers, who is asked too, and what that shows.

A request comes to `router`, which asks `rules` who answers. `shadows` asks the other service
afterwards, and `compare` tells what differs. All that is counted is `evidence`; `report` makes
verdicts of it; `run_time` brings modes that are set from the database to every worker.
"""
