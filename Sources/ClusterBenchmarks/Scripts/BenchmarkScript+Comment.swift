// SPDX-License-Identifier: GPL-3.0-or-later

extension BenchmarkScript {
    /// The key of RFC 2104 with one of its two pads, as bash's printf has it.
    private func key(_ pad: UInt8) -> String {
        var bytes = [UInt8](repeating: pad, count: 64)
        // A longer key would have to be hashed first.
        for (index, byte) in token.utf8.prefix(64).enumerated() { bytes[index] ^= byte }
        return bytes.map { "\\x" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// Through the job's own comment (`CommentChunk`), a chunk at a time: the next one follows when the agent has taken the last.
    var commenting: String {
        """
        for program in scontrol squeue gzip; do
            if ! command -v "$program" >/dev/null 2>&1; then
                cd / && rm -rf -- "$work"
                exit \(Self.lacksClients)
            fi
        done
        mkdir "$work/outbox" || exit \(Self.cannotWrite)
        chunks=() taken=0 patience=20 unposted=
        attempt=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')

        # sign TEXT: the first half of its HMAC-SHA256, by the run's secret, which is on no command line.
        sign() {
            local inner
            inner=$({ printf '%b' '\(key(0x36))'; printf %s "$1"; } | sha256sum | cut -c 1-64 | sed 's/../\\\\x&/g')
            { printf '%b' '\(key(0x5c))'; printf '%b' "$inner"; } | sha256sum | cut -c 1-32
        }
        # The result as it is: in base64 gzip finds little.
        deliver() {
            cat >"$work/block" && {
                sed -n 's/^@sga begin [^ ]* \\([^ ]* [0-9]*\\) .*/\\1/p' "$work/block"
                sed -n 's/^@sga \\. //p' "$work/block" | base64 -d
            } >"$(mktemp -p "$work/outbox" XXXXXX)"
        }
        # How far a program is is not told: each comment is a change of the job.
        announce() { :; }
        # pack: what waits becomes chunks.
        pack() {
            local lines index more number text
            if [ -z "$(ls "$work/outbox")" ]; then return; fi
            mapfile -t lines < <(cat "$work"/outbox/* | gzip -9 | base64 -w \(CommentChunk.dataLimit))
            rm -f -- "$work"/outbox/*
            if [ $((${#chunks[@]} + ${#lines[@]})) -gt \(CommentChunk.countLimit) ]; then
                unposted=yes
                return
            fi
            for index in "${!lines[@]}"; do
                more=+ number=$((${#chunks[@]} + 1))
                if [ "$index" = $((${#lines[@]} - 1)) ]; then more=.; fi
                text="$attempt $number $more"
                chunks+=("@sga chunk $text $(sign "$SLURM_JOB_ID $text ${lines[index]}") ${lines[index]}")
            done
        }
        # send SECONDS: 0: all is taken; 1: for so long nothing was, or the job is being ended, and nobody can change its comment.
        send() {
            local since=$SECONDS state shown
            while [ "$taken" -lt ${#chunks[@]} ]; do
                shown=$(squeue -h -t all -j "$SLURM_JOB_ID" -o '%t %k' 2>/dev/null)
                state=${shown%% *} shown=${shown#* }
                case $state in R | S | CF | '') ;; *) return 1 ;; esac
                if [[ $shown =~ ^@sga\\ taken\\ ([0-9]+)\\ ([0-9]+)$ && ${BASH_REMATCH[1]} = "$attempt" &&
                    ${BASH_REMATCH[2]} -le ${#chunks[@]} && ${BASH_REMATCH[2]} != "$taken" ]]; then
                    taken=${BASH_REMATCH[2]} since=$SECONDS
                    continue
                fi
                # Also when it was lost, or somebody has written over it.
                if [ "$shown" != "${chunks[taken]}" ]; then
                    scontrol update JobId="$SLURM_JOB_ID" Comment="${chunks[taken]}" >/dev/null 2>&1
                fi
                if [ $((SECONDS - since)) -ge "$1" ]; then return 1; fi
                if [ $((SECONDS - since)) -lt 10 ]; then sleep 0.5; else sleep 5; fi
            done
        }
        # What belongs together goes together: all nodes' results of one program are one parcel.
        flush() { :; }
        # While the agent is away no program waits for it more than once.
        send_waiting() {
            pack
            if send "$patience"; then patience=20; else patience=0; fi
        }
        farewell() {
            pack
            cd / && rm -rf -- "$work"
            send \(Self.postPatience) || unposted=yes
            everywhere rm -rf -- "$work"
            if [ -n "$unposted" ]; then exit \(Self.cannotComment); fi
        }
        """
    }
}
