"""What a jobboard may promise, and which board does not. `docs/reference/jobboards.md` shows the same table."""

GUARANTEES = {
    "seen-by-all": "A posted job is seen by every conductor until it ends",
    "priority": "Jobs are offered by priority",
    "oldest-first": "Of equal priority the oldest is offered first: none waits for ever",
    "one-holder": "Of many who claim a job at once, one gets it",
    "only-its-holder": "Nobody but the holder can end, give back or trash a job",
    "given-back": "A job given back can be claimed at once",
    "ended": "A job that ended or was trashed is never offered again",
    "lease": "A claim that is not renewed ends, and another can take the job",
    "renewal": "A claim that is renewed lasts",
    "lease-by-default": "A claim has a lease without being asked for one",
    "owner-of-free-job": "Asked for the owner of a job that nobody holds, the board says so",
    "stale-renewal": "Who lost a claim cannot renew it",
    "stale-namesake": "Who lost a claim cannot end the job, even if its next holder has the same name",
    "fenced-writes": "Who lost a claim cannot write the job's state any more",
    "submission": "A job is queued in the transaction that makes what it belongs to, or not at all",
    "regions": "A conductor is offered jobs of its regions only",
    "capabilities": "A conductor is offered jobs for its platforms only",
    "limit-total": "No more jobs at work in the installation than the limit",
    "limit-endpoint": "No more jobs at work on one endpoint than the limit, and others overtake",
    "limit-host": "No more jobs at work on one host than the limit",
    "limits-at-once": "Limits hold exactly, however many conductors claim at once",
    "undoing-first": "A job to be undone waits for no limit, and comes first",
    "place": "A user sees a waiting job's place in the line and why it waits",
}

UNMET = {
    "redis": {
        "oldest-first": "of equal priority the newest comes first",
        "lease-by-default": "without an expiry a claim lasts for ever, also a dead conductor's",
        "owner-of-free-job": "find_owner raises TypeError for a job that nobody holds",
        "stale-renewal": "extend_expiry extends whatever claim stands, also another's",
        "stale-namesake": "a claim is known by its holder's name only",
        "fenced-writes": "a claim has no token",
        "submission": "the job and what it belongs to lie in two systems",
        "regions": "every job is offered to everyone",
        "capabilities": "every job is offered to everyone",
        "limit-total": "there are no limits",
        "limit-endpoint": "there are no limits",
        "limit-host": "there are no limits",
        "limits-at-once": "there are no limits",
        "undoing-first": "it does not know what is to be undone",
        "place": "the order is known to who reads the whole queue; the reason to nobody",
    }
}
