# SPDX-License-Identifier: GPL-3.0-or-later
"""The clusters of a backend: its `cluster.json`, its node lists, and how each release tells of them."""

import re

from machine import Machine, gpus

METRICS = {
    "1.3.1": "name unit scope aggregation timestep peak normal caution alert subClusters",
    "1.4.4": "unit energy name scope aggregation footprint subClusters peak caution alert timestep normal lowerIsBetter",
    "1.5.4": "name unit peak normal caution alert energy scope aggregation footprint subClusters timestep restrict lowerIsBetter",
}
METRICS["1.2.2"] = METRICS["1.3.1"]
_COUNTS = "socketsPerNode coresPerSocket threadsPerCore"
_RATES = "flopRateScalar flopRateSimd memoryBandwidth"
SUBCLUSTERS = {
    "1.3.1": f"name nodes processorType {_COUNTS} {_RATES} topology",
    "1.4.4": f"name nodes processorType topology {_RATES} metricConfig footprint energyFootprint {_COUNTS}",
}
SUBCLUSTERS["1.2.2"], SUBCLUSTERS["1.5.4"] = SUBCLUSTERS["1.3.1"], SUBCLUSTERS["1.4.4"]
TOPOLOGY = "node socket memoryDomain die core accelerators"
# A metric has these even when its configuration does not.
METRIC_DEFAULTS = {"energy": "", "restrict": False, "lowerIsBetter": False}
OFTEN = {"scope": "node", "aggregation": "avg", "timestep": 60, "peak": 100, "normal": 50, "caution": 20, "alert": 10}
LAB_METRICS = [
    {"name": "cpu_load", "unit": {"base": ""}, **OFTEN},
    {"name": "mem_used", "unit": {"base": "B", "prefix": "G"}, **OFTEN},
]


class NodeList:
    """`n[1-4]`, `a[01-16,20-29]b,login`: a range has an end, and both ends have the same number of digits."""

    def __init__(self, text):
        self.terms = [self._term(term) for term in re.findall(r"(?:\[[^]]*\]?|[^,[])+", text)]

    @staticmethod
    def _term(term):
        parts = []
        for piece in re.findall(r"\[[^]]*\]?|[^[]+", term):
            if piece[0] != "[":
                if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]*", piece):
                    raise ValueError(f"node list: invalid character in '{piece}'")
                parts.append(re.escape(piece))
                continue
            if piece[-1] != "]":
                raise ValueError("node list: unclosed '['")
            ranges = []
            for one in piece[1:-1].split(","):
                first, dash, last = one.partition("-")
                if not dash:
                    raise ValueError("node list: no '-' found inside '[...]'")
                if len(first) != len(last) or not first.isdigit() or not last.isdigit():
                    raise ValueError(f"node list: {first} and {last} are not of equal length or of length zero")
                ranges.append((int(first), int(last), len(first)))
            parts.append(ranges)
        return parts

    def __contains__(self, host):
        return any(self._matches(term, host) for term in self.terms)

    @staticmethod
    def _matches(term, rest):
        for part in term:
            if isinstance(part, str):
                found = re.match(part, rest)
                taken = found.end() if found else None
            else:
                taken = next(
                    (n for first, last, n in part if re.match(rf"\d{{{n}}}", rest) and first <= int(rest[:n]) <= last), None
                )
            if taken is None:
                return False
            rest = rest[taken:]
        return not rest


class Clusters:
    """`configurations`: the contents of the clusters' cluster.json, in order. ValueError for a bad node list."""

    def __init__(self, configurations):
        self.configurations = {one["name"]: one for one in configurations}
        self.nodes = {
            one["name"]: [(sub["name"], NodeList(sub["nodes"])) for sub in one["subClusters"] if sub["nodes"] != "*"]
            for one in configurations
        }

    def __contains__(self, name):
        return name in self.configurations

    def subcluster_of(self, cluster, host):
        """None when no subcluster has it. The first one with `*` has all others."""
        for name, nodes in self.nodes.get(cluster, ()):
            if host in nodes:
                return name
        first = self.configurations[cluster]["subClusters"][0] if cluster in self else None
        return first["name"] if first and first["nodes"] == "*" else None

    def assign(self, job):
        """Sets the job's subcluster, or says why that cannot be."""
        cluster, given = job["cluster"], job.get("subCluster", "")
        if cluster not in self:
            return f"no such cluster: {cluster}"
        if given:
            if any(sub["name"] == given for sub in self.configurations[cluster]["subClusters"]):
                return None
            # Spelled so by cc-backend.
            return f"ARCHIVE/CLUSTERCONFIG > already assigned subcluster {given} unkown (cluster: {cluster})"
        if not job["resources"]:
            return "ARCHIVE/CLUSTERCONFIG > job without any resources/hosts"
        host = job["resources"][0].get("hostname", "")
        job["subCluster"] = self.subcluster_of(cluster, host)
        if job["subCluster"] is None:
            return f"ARCHIVE/CLUSTERCONFIG > no subcluster found for cluster {cluster} and host {host}"
        return None

    def documents(self, release, name=None):
        """What GET /clusters/ shows of one cluster or all."""
        version = release.version

        def shown(value, order):
            return {key: value[key] for key in order.split() if key in value}

        result = []
        for one in self.configurations.values() if name is None else [self.configurations[name]]:
            metrics = [shown({**METRIC_DEFAULTS, **metric}, METRICS[version]) for metric in one["metricConfig"]]
            plain = [{key: value for key, value in metric.items() if key != "subClusters"} for metric in metrics]
            subs = [
                shown({**sub, "topology": shown(sub["topology"], TOPOLOGY), "metricConfig": plain}, SUBCLUSTERS[version])
                for sub in one["subClusters"]
            ]
            result.append({"name": one["name"], "metricConfig": metrics, "subClusters": subs})
        return result


def configuration(name="lab", subclusters=None):
    """A cluster.json. `subclusters`: (name, nodes, Machine) of each; without them the one that the exchanges were recorded with."""
    subclusters = subclusters or [("main", "n[1-4]", Machine(sockets=2, cores=2, gpus=gpus(2, model="FAKE")))]
    return {
        "name": name,
        "metricConfig": LAB_METRICS,
        "subClusters": [
            {
                "name": sub,
                "nodes": nodes,
                "processorType": "fake",
                "socketsPerNode": machine.sockets,
                "coresPerSocket": machine.cores,
                "threadsPerCore": machine.threads,
                "flopRateScalar": {"unit": {"base": "F/s", "prefix": "G"}, "value": 1},
                "flopRateSimd": {"unit": {"base": "F/s", "prefix": "G"}, "value": 1},
                "memoryBandwidth": {"unit": {"base": "B/s", "prefix": "G"}, "value": 1},
                "topology": machine.topology(),
            }
            for sub, nodes, machine in subclusters
        ],
    }
