#!/bin/sh
# Keeps queues in order, for cron: looks whether all is well, puts back what failed of late, drops what is old, and
# tells where a queue is too long or waits too long. No terminal, no questions.
#
#   */10 * * * * QCTL_URL=redis://... /srv/shop/keep_order.sh emails reports
#
# Settings, by the environment: CHECKS (all; "--check store --check workers" for some), RETRY_SINCE (1h), PRUNE_OLDER_THAN (7d), MAX_JOBS (1000), MAX_WAIT (5m), and ALERT, a command
# that is run when a queue passes a threshold, once, with QCTL_ALERT_TEXT set.
# Ends with 0 where all is well, else with the worst that it met: 11 critical, 10 degraded, 20 a queue is above a
# threshold, or the exit code of a command that could not do its work (4: the store does not answer).
set -u

if [ "$#" -eq 0 ]; then
  echo "usage: $0 QUEUE..." >&2
  exit 2
fi

worst=0
note() { # keep the worst: a store that is away, then critical, a threshold, degraded
  case "$1:$worst" in
    0:* | 10:[1-9]* | 20:11 | 20:[1-9] | 11:[1-9]) ;;
    *) worst=$1 ;;
  esac
}

# shellcheck disable=SC2086  several words are meant
qctl health ${CHECKS:-} --output plain
note $?
if [ "$worst" -eq 4 ]; then
  exit 4 # nothing else can be done
fi

for queue in "$@"; do
  qctl failed --retry --queue "$queue" --since "${RETRY_SINCE:-1h}" --output plain
  note $?
done

qctl prune --failed --completed --batches --chains --older-than "${PRUNE_OLDER_THAN:-7d}" --output plain
note $?

for queue in "$@"; do
  qctl monitor --once --queue "$queue" --max "${MAX_JOBS:-1000}" --wait "${MAX_WAIT:-5m}" \
    ${ALERT:+--exec "$ALERT"} --output plain
  note $?
done

exit "$worst"
