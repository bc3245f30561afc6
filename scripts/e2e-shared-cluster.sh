#!/usr/bin/env bash
# Runs the end-to-end tests on a cluster that is made of processes of this machine, by a folder of commands: `up`, `run`,
# `repo`. It shows what the tests want to be told of any cluster; see test/e2e/support/env.ts.
#
#   scripts/e2e-shared-cluster.sh run FOLDER IMAGE [COMMAND…]   sets E2E_ variables and runs COMMAND, default `npm run e2e`
#   scripts/e2e-shared-cluster.sh fault FOLDER WHAT             WHAT: see E2E_FAULTS_COMMAND
set -euo pipefail

usage() { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 64; }
[ $# -ge 3 ] || usage
what=$1 folder=$(cd "$2" && pwd) self=$(cd "$(dirname "$0")" && pwd)/$(basename "$0")

fault() {
  . "$folder/lib.sh"
  local pid
  case $1 in
    pause-apiserver) read -r pid _ <"$RUN/kube-apiserver.pid"; kill -STOP "$pid" ;;
    resume-apiserver) read -r pid _ <"$RUN/kube-apiserver.pid"; kill -CONT "$pid" ;;
    pause-etcd) read -r pid _ <"$RUN/etcd.pid"; kill -STOP "$pid" ;;
    resume-etcd) read -r pid _ <"$RUN/etcd.pid"; kill -CONT "$pid" ;;
    restart-apiserver)
      read -r pid _ <"$RUN/kube-apiserver.pid"
      mapfile -d '' -t command <"/proc/$pid/cmdline"
      kill -KILL "$pid"
      while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
      start kube-apiserver pc "${command[@]}"
      wait_for 60 "kube-apiserver" k get --raw /readyz
      ;;
    *) die "no such fault: $1" ;;
  esac
}

case $what in
  run)
    image=$3; shift 3
    [ $# -gt 0 ] || set -- npm run e2e
    export E2E_IMAGE=$image
    export E2E_PUBLISH_COMMAND="$folder/repo"
    export E2E_GIT_URL_TEMPLATE=${E2E_GIT_URL_TEMPLATE:-$(. "$folder/lib.sh"; echo "http://$CONTROL:8079/cgi-bin/git/NAME.git")}
    export E2E_FAULTS_COMMAND="$self fault $folder"
    exec "$folder/run" "$@"
    ;;
  fault) fault "$3" ;;
  *) usage ;;
esac
