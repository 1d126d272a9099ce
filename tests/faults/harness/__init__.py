"""The rig of the fault tests: real hosts on a real store, something that breaks, and books that nobody can cook.

A test asks for `rig` (a fixture; it runs once on each store) and reads like this:

    def test_something_breaks(rig: Rig) -> None:
        host = rig.host("--processes", "2")                  # a `qctl work` in a process group of its own
        ids = rig.dispatch([Sleeps(0.01) for _ in range(count(500))])   # noted in the ledger once dispatch returned
        rig.kill(host.child(rig.chance))                     # kill -9, noted too
        rig.drained(within_s=20)                             # awaits: every id has an end or a failed record
        rig.verdict(repeats=1)                               # the pass rules L, D, E, G, W; a line of the table

* `scale`      `count(n)`, `seconds(s)` shrink by SCALE (0.1 unless set); `LEASE_S` is the lease that goes with it.
               SEED (printed) is the only source of chance: use `rig.chance`.
* `ledger`     the books, a SQLite file outside of the queue: what jobs did, what dispatch said, who was killed.
* `jobs`       `Audited`, a job that keeps the books: give it `work()`. `fault_jobs` has the usual ones.
* `hosts`      `Host`: children, kill, freeze, thaw, terminate, its log. `rig.host(*flags, **environment)`.
* `producer`   `rig.producer(...)`: a process that dispatches and notes; `kill()` it when you like.
* `stores`     what a test does to a store: stop, crash, start, freeze, thaw. Each is a server of the tests' own.
* `proxy`      `rig.proxy()`: a TCP proxy before the store: delay, black hole, half-open, refuse, reset, cut the n-th
               reply. Hosts and producers go through it by `QCTL_URL=proxy.url`.
* `swapping`   a pooler before PostgreSQL that gives no client the same session twice in a row.
* `failpoints` processes that kill -9 themselves at a named step: `rig.plan([Step("settle.before", 3), ...])`.
               A hook: a module with `install()`, called in a host before it forks, where FAULTS_HOOKS names it.
               Nothing of it is in the product: it wraps methods from outside.
* `stillborn`  a hook: workers that die as they begin, as long as a file is there.
* `clocks`     a hook: a host whose clock is wrong.
* `beats`      a hook: the books tell when leases were renewed; `reserves`: when jobs were asked for; `reclaims`: which
               were taken back.
* `waiting`    `until(found, within_s, what)`: await anything; there are no sleeps in the tests.
* `audit`      the pass rules as functions over a rig, and `Result`, one line of the table.
* `rig`        `Rig`, which holds all this for one test and leaves nothing behind.

This package stays light: every worker imports it.
"""
