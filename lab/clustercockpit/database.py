# SPDX-License-Identifier: GPL-3.0-or-later
"""The SQLite file of the double, `var/job.db`, with the tables that each release has."""

import json
import sqlite3
import threading

from schema import COLUMNS, JSON_COLUMNS, tables

SELECTED = ("id",)


class Database:
    """One connection behind a lock. A job is a dict with the names of the API; `id` is the row's."""

    def __init__(self, path, release):
        self.release = release
        self.columns = COLUMNS[release.version]
        self.lock = threading.RLock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self.connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        # A killed double has lost nothing: the kernel has the pages. Syncing them is for machines that fail.
        self.connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA foreign_keys = ON")
        self._migrate()

    def _migrate(self):
        """Makes the tables; brings those of an older release to this one, and all their rows with them."""
        with self.lock:
            found = self.connection.execute("PRAGMA user_version").fetchone()[0]
            if found == self.release.minor:
                return
            if found > self.release.minor:
                raise ValueError(f"{self.release.version} cannot read the database of 1.{found}")
            old = next((c for v, c in COLUMNS.items() if v.startswith(f"1.{found}.")), None)
            rows, tags, links = [], [], []
            if old:
                rows = self._read("job", old)
                tags = self.connection.execute("SELECT * FROM tag ORDER BY id").fetchall()
                links = self.connection.execute("SELECT * FROM jobtag").fetchall()
                self.connection.executescript("DROP TABLE jobtag; DROP TABLE tag; DROP TABLE job")
            self.connection.executescript(tables(self.release))
            for row in rows:
                if self.release.has_shared and "exclusive" in row:
                    row["shared"] = ("multi_user", "none", "single_user")[row.pop("exclusive")]
                if self.release.has_shared and row["jobState"] == "stopped":
                    row["jobState"] = "cancelled"
                self._insert("job", row)
            width = 4 if self.release.has_tag_scope else 3
            marks = ", ".join("?" * width)
            self.connection.executemany(f"INSERT INTO tag VALUES ({marks})", [(*tag, "global")[:width] for tag in tags])
            self.connection.executemany("INSERT INTO jobtag VALUES (?, ?)", links)
            self.connection.execute(f"PRAGMA user_version = {self.release.minor}")

    def _read(self, table, columns=None, where="", values=(), end=""):
        columns = columns or self.columns
        with self.lock:
            found = self.connection.execute(
                f"SELECT id, {', '.join(columns.values())} FROM {table} {where} {end}", values
            ).fetchall()
        jobs = [dict(zip((*SELECTED, *columns), row)) for row in found]
        for job in jobs:
            for name in JSON_COLUMNS & set(columns):
                job[name] = json.loads(job[name] or "null")
        return jobs

    def _insert(self, table, job):
        names = [name for name in (*SELECTED, *self.columns) if name in job]
        values = [json.dumps(job[name], separators=(",", ":")) if name in JSON_COLUMNS else job[name] for name in names]
        columns = ", ".join(self.columns.get(name, name) for name in names)
        marks = ", ".join("?" * len(names))
        with self.lock:
            return self.connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", values).lastrowid

    def insert(self, table, job):
        """-> the row's id; sqlite3.IntegrityError with the text that cc-backend passes on."""
        return self._insert(table, job)

    def find(self, job_id, cluster=None, start=None, table="job"):
        """The newest row, None when there is none."""
        where, values = "WHERE job_id = ?", [job_id]
        if cluster is not None:
            where, values = where + " AND cluster = ?", [*values, cluster]
        if start is not None:
            where, values = where + " AND start_time = ?", [*values, start]
        return next(iter(self._read(table, None, where, values, "ORDER BY id DESC LIMIT 1")), None)

    def by_id(self, row):
        return next(iter(self._read("job", None, "WHERE id = ?", [row])), None)

    def starts(self, job_id, cluster):
        """(row's id, start) of all rows of a job id that may be a duplicate: the cache is not looked at."""
        with self.lock:
            return self.connection.execute(
                "SELECT id, start_time FROM job WHERE job_id = ? AND cluster = ?", [job_id, cluster]
            ).fetchall()

    def select(self, conditions, limit=-1, offset=0):
        """Rows, the newest start first. `conditions`: (SQL, values) pairs, all of which must hold."""
        where = " AND ".join(f"({sql})" for sql, _ in conditions)
        values = [value for _, some in conditions for value in some]
        end = "ORDER BY start_time DESC, id DESC LIMIT ? OFFSET ?"
        return self._read("job", None, f"WHERE {where}" if where else "", [*values, limit, offset], end)

    def all(self, table="job"):
        return self._read(table, None, "", (), "ORDER BY id")

    def stop(self, row, state, duration):
        with self.lock:
            self.connection.execute("UPDATE job SET job_state = ?, duration = ? WHERE id = ?", [state, duration, row])

    def delete(self, row):
        with self.lock:
            return self.connection.execute("DELETE FROM job WHERE id = ?", [row]).rowcount

    def delete_before(self, start):
        with self.lock:
            return self.connection.execute("DELETE FROM job WHERE start_time < ?", [start]).rowcount

    def archived(self, row):
        with self.lock:
            more = ", footprint = '{}'" if self.release.has_footprint else ""
            self.connection.execute(f"UPDATE job SET monitoring_status = 3{more} WHERE id = ?", [row])

    def meta_data(self, row):
        with self.lock:
            found = self.connection.execute("SELECT meta_data FROM job WHERE id = ?", [row]).fetchone()
        return json.loads(found[0] or "null") if found else None

    def set_meta_data(self, row, meta):
        with self.lock:
            self.connection.execute("UPDATE job SET meta_data = ? WHERE id = ?", [json.dumps(meta), row])

    def commit_cache(self):
        """Moves the cache's rows to the table of jobs. One that is there already is dropped."""
        columns = ", ".join(self.columns.values())
        with self.lock, self.connection:
            self.connection.execute("BEGIN")
            self.connection.execute(f"INSERT OR IGNORE INTO job ({columns}) SELECT {columns} FROM job_cache ORDER BY id")
            return self.connection.execute("DELETE FROM job_cache").rowcount

    def transfer(self, row):
        """Moves one row of the cache. -> its new id"""
        columns = ", ".join(self.columns.values())
        with self.lock, self.connection:
            self.connection.execute("BEGIN")
            insert = f"INSERT INTO job ({columns}) SELECT {columns} FROM job_cache WHERE id = ?"
            new = self.connection.execute(insert, [row]).lastrowid
            self.connection.execute("DELETE FROM job_cache WHERE id = ?", [row])
            return new

    def tags(self, row):
        scope = ", tag_scope" if self.release.has_tag_scope else ""
        with self.lock:
            return self.connection.execute(
                f"SELECT tag.id, tag_type, tag_name{scope} FROM tag JOIN jobtag ON tag.id = tag_id"
                " WHERE job_id = ? ORDER BY tag.id",
                [row],
            ).fetchall()

    def add_tag(self, row, kind, name, scope):
        """-> the tag's id, a new one when there is none such."""
        columns, values = ["tag_type", "tag_name"], [kind, name]
        if self.release.has_tag_scope:
            columns, values = [*columns, "tag_scope"], [*values, scope]
        with self.lock:
            where = " AND ".join(f"{column} = ?" for column in columns)
            found = self.connection.execute(f"SELECT id FROM tag WHERE {where}", values).fetchone()
            tag = found[0] if found else self.connection.execute(
                f"INSERT INTO tag ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})", values
            ).lastrowid
            self.connection.execute("INSERT INTO jobtag (job_id, tag_id) VALUES (?, ?)", [row, tag])
            return tag

    def remove_tag(self, row, kind, name, scope):
        """-> whether there was such a tag"""
        for tag, *rest in self.tags(row):
            if rest == ([kind, name, scope] if self.release.has_tag_scope else [kind, name]):
                with self.lock:
                    self.connection.execute("DELETE FROM jobtag WHERE job_id = ? AND tag_id = ?", [row, tag])
                return True
        return False

    def close(self):
        with self.lock:
            self.connection.close()
