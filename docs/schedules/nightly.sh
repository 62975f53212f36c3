#!/bin/sh
# For cron. The server is named, never guessed; its token is in a file that only this user can read, and in no argument.
#   15 3 * * * /srv/docs/nightly.sh >> /srv/docs/nightly.log 2>&1
set -eu
cd "$(dirname "$0")"
DOCSFY_JUPYTER_URL="${DOCSFY_JUPYTER_URL:-http://127.0.0.1:8888/}"
DOCSFY_JUPYTER_TOKEN="$(cat "${TOKEN_FILE:-token}")"
export DOCSFY_JUPYTER_URL DOCSFY_JUPYTER_TOKEN
exec jupyter docsfy batch batch.yaml --output runs --summary last-summary.md "$@"
