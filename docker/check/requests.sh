# Part of docker/check_compose.sh: the addresses of the servers, and requests to single ones.
address() { docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$1"; }
published() { compose port "$1" "$2" | sed 's/.*://'; }
DOOR=http://127.0.0.1:$(published proxy 8000)
PROMETHEUS=http://127.0.0.1:$(published prometheus 9090)
source docker/check/load.sh
get() { curl -sS -m 5 "http://$(address "$1"):8000/$2" 2>>"$WORK/log"; }
is_ready() { [ "$(curl -s -m 5 -o /dev/null -w '%{http_code}' "http://$(address "$1"):8000/readyz")" = 200 ]; }
are_ready() { for replica in "${REPLICAS[@]}"; do is_ready "$replica" || return 1; done; }
