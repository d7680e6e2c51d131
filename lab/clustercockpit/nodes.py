# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of nodes and their states, which 1.5 has."""


class Nodes:
    def __init__(self, database, clusters):
        self.database, self.clusters = database, clusters

    def add(self, cluster, nodes, now, state_of):
        """One row a node and call. A host that no subcluster has is dropped without a word."""
        connection = self.database.connection
        with self.database.lock, connection:
            connection.execute("BEGIN")
            for node in nodes:
                host = node.get("hostname", "")
                found = connection.execute("SELECT id FROM node WHERE hostname = ? AND cluster = ?", [host, cluster]).fetchone()
                if not found:
                    subcluster = self.clusters.subcluster_of(cluster, host)
                    if subcluster is None:
                        continue
                    insert = "INSERT INTO node (hostname, cluster, subcluster) VALUES (?, ?, ?)"
                    found = [connection.execute(insert, [host, cluster, subcluster]).lastrowid]
                state = state_of(node.get("states", []))
                # Without a metric store nothing is known of a node's metrics; of one that is down nothing is asked.
                values = {
                    "time_stamp": now,
                    "node_state": state,
                    "health_state": "full" if state == "down" else "failed",
                    "health_metrics": "",
                    "cpus_allocated": node.get("cpusAllocated", 0),
                    "memory_allocated": node.get("memoryAllocated", 0),
                    "gpus_allocated": node.get("gpusAllocated", 0),
                    "jobs_running": node.get("jobsRunning", 0),
                    "node_id": found[0],
                }
                marks = ", ".join(f":{name}" for name in values)
                connection.execute(f"INSERT INTO node_state ({', '.join(values)}) VALUES ({marks})", values)

    def rows(self):
        """All that was told of nodes, the oldest first."""
        names = "hostname cluster time_stamp node_state cpus_allocated memory_allocated gpus_allocated jobs_running".split()
        with self.database.lock:
            found = self.database.connection.execute(
                f"SELECT {', '.join(names)} FROM node_state JOIN node ON node.id = node_id ORDER BY node_state.id"
            ).fetchall()
        return [dict(zip(names, row)) for row in found]
