#!/usr/bin/env bash
# Gives damaged inputs to every parser of untrusted bytes, for FUZZ_SECONDS (60) each, with new seeds in every round.
# A failed round prints its offset: KACHERY_SEED_OFFSET=N swift test --filter NAME repeats it.
set -euo pipefail
cd "$(dirname "$0")/.."

# A parser, and the tests that damage its inputs.
codecs=(
  'mux: MuxFuzzTests'
  'messages: WireTests.*mutatedMessagesNeverTrap'
  'fetch: WireTests.*mutatedStreamsNeverTrap'
  'batch: WireTests.*noBytesDoHarm'
  'canonical json: canonicalDocumentsStayAsTheyAre'
  'feed messages: damagedFeedMessagesDoNoHarm'
  'signed messages: damagedMessagesAreRefusedOrNotSigned'
  'json: JSONTests.*mutatedDocumentsNeverTrap'
  'manifests: damagedManifestsAreRefusedOrWhole'
  'folders: damagedFoldersAreRefusedOrSafe'
  'uris: damagedURIsNeverTrap'
  'keys: damagedFilesNeverTrap'
  'links: HostileLinkTests'
  'websockets: WebSocketSessionTests.*damagedFramesNeverTrap'
  'http heads: WebSocketUpgradeTests.*damagedHeadsNeverTrap'
  'quic packets: QUICHostileTests'
  'extreme messages: ExtremeMessageTests'
  'backups: HostileArchiveTests'
  'paths of the gateway: GatewayTargetTests.*mutatedPathsNameNothingElse'
  'ranges of the gateway: RangeRequestTests.*mutatedHeadersStayInsideTheFile'
  'channel documents: ChannelDocumentTests.*mutatedDocumentsNeverTrap'
)

swift build --build-tests
for codec in "${codecs[@]}"; do
  name=${codec%%: *}
  tests=${codec#*: }
  end=$((SECONDS + ${FUZZ_SECONDS:-60}))
  rounds=0
  while [ "$SECONDS" -lt "$end" ]; do
    offset=$((RANDOM * 32768 * 32768 + RANDOM * 32768 + RANDOM))
    if ! output=$(KACHERY_SEED_OFFSET=$offset swift test --skip-build --filter "$tests" 2>&1); then
      printf '%s\n' "$output"
      printf 'fuzz: %s failed; repeat with KACHERY_SEED_OFFSET=%s swift test --filter "%s"\n' "$name" "$offset" "$tests" >&2
      exit 1
    fi
    # A filter that matches nothing would test nothing.
    if ! grep -q 'Test run with [1-9]' <<<"$output"; then
      printf 'fuzz: no test matches %s\n' "$tests" >&2
      exit 1
    fi
    rounds=$((rounds + 1))
  done
  printf '%-18s %4d rounds, nothing found\n' "$name" "$rounds"
done
