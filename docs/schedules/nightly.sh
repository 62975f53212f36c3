#!/bin/sh
# For cron. The server is named, never guessed; its token is in a file that only this user can read, and in no argument.
#   15 3 * * * /srv/docs/nightly.sh >> /srv/docs/nightly.log 2>&1
set -eu
cd "$(dirname "$0")"
PATH="$PWD/venv/bin:$PATH"    # cron's own PATH is /usr/bin:/bin: the environment that docsfy-jupyter is installed in
command -v jupyter-docsfy >/dev/null || { echo "$0: jupyter docsfy is not in $PATH; name its folder in this file" >&2; exit 127; }
DOCSFY_JUPYTER_URL="${DOCSFY_JUPYTER_URL:-http://127.0.0.1:8888/}"
DOCSFY_JUPYTER_TOKEN="$(cat "${TOKEN_FILE:-token}")"
export PATH DOCSFY_JUPYTER_URL DOCSFY_JUPYTER_TOKEN
exec jupyter docsfy batch batch.yaml --output runs --summary last-summary.md "$@"
