-- Forget workers that have ended.
-- Uses: keys bulk registry
-- ARGV: ids.
-- Changes: workers, supervisors, overdue.
forget_workers(ARGV)
