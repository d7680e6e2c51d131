// SPDX-License-Identifier: GPL-3.0-or-later

internal import Persistence

/// The table of `jarvice.sqlite`. A step that was released is never edited.
enum AnswerSchema {
    static let steps: [DatabaseFile.Step] = [
        (
            1,
            """
            CREATE TABLE answers (
                job TEXT PRIMARY KEY,
                output BLOB NOT NULL,
                kept_at INTEGER NOT NULL,
                told_at INTEGER
            ) STRICT;
            CREATE INDEX answers_kept ON answers (kept_at);
            CREATE INDEX answers_told ON answers (told_at) WHERE told_at IS NOT NULL;
            """
        )
    ]
}
