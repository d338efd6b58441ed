"""Priority and fairness: which requests are answered at once, which wait their turn, and which are sent away with 429.

The idea, the levels and their shares are Kubernetes' API Priority and Fairness; its kinds are not served (ADR 19). `levels`
tells the level of a request, `queues` holds who waits, `dispatcher` lets requests in; `long_running` shares what stays open,
and `turns` the threads of long work.

    request ─ level's seat free, its turn of this loop iteration not used up ─────────────► answered
            └ else: its user's queue ─ round robin between users, a batch per iteration ──► answered
                                     ├ queue full, or waited too long ────────────────────► 429 with Retry-After
                                     └ its client went away ──────────────────────────────► forgotten

Besides seats, which bound what waits for the store, there is a bound of what one level may start in one iteration of the event
loop: a request that only reads memory never waits, so its seat bounds nothing, but hundreds of them in one iteration make
everybody wait.
"""
