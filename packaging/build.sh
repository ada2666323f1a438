#!/usr/bin/env bash
# Builds the .deb and the .rpm into target/package:  packaging/build.sh [deb|rpm]...  (both, if none is named)
#
#   PROFILE=dev packaging/build.sh deb       quickly, from a debug build, to try the package itself
#   VERSION=0.1.0-2 packaging/build.sh       with another version of the Debian package; its last number is rpm's release
#
# Needs cargo-deb, cargo-generate-rpm (`cargo install --locked cargo-deb cargo-generate-rpm`) for what is built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
profile=${PROFILE:-release}
target=${CARGO_TARGET_DIR:-target}
built=$target/$([ "$profile" = dev ] && echo debug || echo "$profile")
# The metadata names the files below this folder, whatever profile or target folder they were built in.
stage=target/package/files
[ $# -gt 0 ] || set -- deb rpm

cargo build --profile "$profile" -p fsmond -p fsmonctl
rm -rf "$stage"
mkdir -p "$stage"
install -m 755 "$built/fsmond" "$built/fsmonctl" "$stage/"
# Who reads a core dump or a backtrace finds the names in what was built.
strip "$stage/fsmond" "$stage/fsmonctl"
"$stage/fsmonctl" completions bash >"$stage/fsmonctl.bash"
"$stage/fsmonctl" completions zsh >"$stage/_fsmonctl"
"$stage/fsmonctl" completions fish >"$stage/fsmonctl.fish"
"$stage/fsmonctl" man-page >"$stage/fsmonctl.1"
"$stage/fsmond" --man-page >"$stage/fsmond.8"
cp packaging/man/fsmond.toml.5 "$stage/"
cp packaging/deb/changelog "$stage/changelog.Debian"
cp CHANGELOG.md "$stage/changelog"
gzip -9n "$stage"/*.[158] "$stage"/changelog*

for kind; do
    case $kind in
    deb) cargo deb --quiet -p fsmond --no-build --no-strip ${VERSION:+--deb-version "$VERSION"} --output target/package/ ;;
    rpm)
        cargo generate-rpm -p fsmond --auto-req builtin ${VERSION:+--set-metadata "release = \"${VERSION##*-}\""} \
            --output target/package/
        ;;
    *) echo "packaging/build.sh: no such package: $kind (deb or rpm)" >&2 && exit 2 ;;
    esac
done
