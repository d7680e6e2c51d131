# SPDX-License-Identifier: GPL-3.0-or-later
"""Which handler a path has. The slash at a path's end matters: 1.5 takes a path without it for another one, older ones redirect."""

import re
from urllib.parse import unquote, urlsplit

import reading
import writing
from answers import Answer, document, text

POST = ("POST", "PUT")

# (methods, path under /api, handler, first minor release, last one)
_TABLE = [
    (("GET",), "/clusters/", reading.list_clusters, 3, 9),
    (POST, "/nodestate/", writing.node_states, 5, 9),
    (POST, "/jobs/start_job/", writing.start_job, 2, 9),
    (POST, "/jobs/stop_job/", writing.stop_job, 2, 9),
    (POST, "/jobs/stop_job/{}", writing.stop_job_by_row, 2, 3),
    (("GET",), "/jobs/", reading.list_jobs, 2, 9),
    (("GET",), "/jobs/used_nodes", reading.used_nodes, 5, 9),
    (("POST",), "/jobs/{}", reading.get_metrics_of_job, 2, 9),
    (("GET",), "/jobs/{}", reading.get_job, 3, 9),
    (("POST", "PATCH"), "/jobs/tag_job/{}", reading.tag_job, 2, 9),
    (("DELETE",), "/jobs/tag_job/{}", reading.untag_job, 4, 9),
    (("POST", "PATCH"), "/jobs/edit_meta/{}", reading.edit_meta, 3, 4),
    (("PATCH",), "/jobs/edit_meta/{}", reading.edit_meta, 5, 9),
    (("PATCH",), "/jobs/edit_meta/", reading.edit_meta_by_key, 5, 9),
    (("DELETE",), "/jobs/delete_job/", writing.delete_job, 2, 9),
    (("DELETE",), "/jobs/delete_job/{}", writing.delete_job_by_row, 2, 9),
    (("DELETE",), "/jobs/delete_job_before/{}", writing.delete_jobs_before, 2, 9),
]
_NAMED = ("/jobs/start_job/", "/jobs/stop_job/")
NO_ENDPOINT = {"error": "the requested endpoint does not exist", "status": "Resource not found"}


class Routes:
    """`nats`: jobs come by NATS, and the two paths for them do not exist (1.5)."""

    def __init__(self, release, nats=False):
        self.release = release
        self.routes = []
        for methods, path, handler, first, last in _TABLE:
            if first <= release.minor <= last and not (nats and path in _NAMED):
                pattern = re.escape("/api" + path).replace(r"\{\}", "([^/]+)")
                self.routes.append((methods, path, re.compile(pattern), handler))
        # A path that is spelled out comes before one with a place for anything.
        self.exact_first = sorted(self.routes, key=lambda route: "{}" in route[1])

    def find(self, method, target):
        """(handler, its arguments), or (None, the answer when nobody is asked for a token)."""
        path = unquote(urlsplit(target).path)
        return self._chi(method, path) if self.release.chi else self._mux(method, path, target)

    def _chi(self, method, path):
        allowed = []
        for methods, _, pattern, handler in self.exact_first:
            found = pattern.fullmatch(path)
            if found and method in methods:
                return handler, found.groups()
            allowed += methods if found else ()
        if allowed:
            return None, Answer(405, [("Allow", one) for one in sorted(set(allowed))])
        if path.startswith("/api/"):
            return None, document(404, NO_ENDPOINT)
        page = "<!DOCTYPE html>\n<html lang=\"en\"><head><title>Page Not Found</title></head><body>404</body></html>\n"
        return None, Answer(404, [("Content-Type", "text/html; charset=utf-8")], page.encode())

    def _mux(self, method, path, target):
        for methods, own, pattern, handler in self.routes:
            if method not in methods:
                continue
            found = pattern.fullmatch(path)
            if found:
                return handler, found.groups()
            # The slash too many, or the missing one.
            other = path[:-1] if path.endswith("/") else path + "/"
            if own.endswith("/") != path.endswith("/") and pattern.fullmatch(other):
                query = urlsplit(target).query
                return _redirect, (method, other + (f"?{query}" if query else ""))
        return None, text(404, "404 page not found")


def _redirect(_backend, _request, method, location):
    headers = [("Location", location)]
    if method != "GET":
        return Answer(301, headers)
    page = f'<a href="{location}">Moved Permanently</a>.\n\n'
    return Answer(301, [("Content-Type", "text/html; charset=utf-8"), *headers], page.encode())
