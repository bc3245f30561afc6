#!/usr/bin/env bash
# Checks GitHub workflows by actionlint: this repository's own, and the examples in workflows/ as they lie in a user's repository.
# It is built by Go, once, below node_modules/.cache. Without Go nothing is checked, which in CI is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
version=v1.7.12

if ! command -v go > /dev/null; then
  echo "no Go, which builds actionlint: the workflows were not checked" >&2
  [ "${CI:-}" != true ] || exit 1
  exit 0
fi

bin="$PWD/node_modules/.cache/actionlint-$version"
[ -x "$bin/actionlint" ] || GOBIN="$bin" go install "github.com/rhysd/actionlint/cmd/actionlint@$version"

# Checkers of scripts that a machine may have or not are left out.
lint() { "$bin/actionlint" -no-color -shellcheck= -pyflakes= "$@"; }

lint .github/workflows/*.yaml

# A path such as ./.github/workflows/reusable.yaml is looked up from the folder that holds .git.
user="$(mktemp -d)"
trap 'rm -rf "$user"' EXIT
mkdir -p "$user/.git" "$user/.github/workflows"
cp workflows/*.yaml "$user/.github/workflows/"
cd "$user"
lint .github/workflows/*.yaml | sed 's#^\.github/#the examples: #'

echo 'actionlint: nothing to say'
