"""Real stores for the tests, started by the tests: nothing need run beforehand, nothing remains after.

`base` is what any server is, `postgresql`, `mariadb` and `redis` the three there are, `keeper` the process that
keeps one alive as long as the test run lives, `session` shares them among the workers of a run, and `stores` gives
each test a store of its own on them.
"""
