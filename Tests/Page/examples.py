#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example rules for Prometheus and the dashboard for Grafana, with Debian's promtool: each alert fires when it should and not
otherwise, each query is one, and docs/metrics.md names the same metrics and alerts."""

import json
import re
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PROMTOOL = Path(subprocess.run([HERE / "install.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()).parent / "promtool"
RULES = ROOT / "packaging/deb/examples/prometheus-rules.yaml"
DASHBOARD = ROOT / "packaging/deb/examples/grafana-dashboard.json"

# Alert: a series that sets it off, one that does not, and the minute at which that is looked at. promtool's clock begins at 0.
CASES = {
    "GridAgentDown": ('up{job="slurm-grid-agent"}', "0x600", "1x600", 10),
    "GridAgentStuck": ("grid_agent_status_time_seconds", "0x600", "0+60x600", 10),
    "GridAgentNotReady": ("grid_agent_ready", "0x600", "1x600", 15),
    "GridAgentPartFails": ('grid_agent_part_state{part="chain",grid_agent_part_state="failure"}', "1x600", "0x600", 10),
    "GridAgentPartWarns": ('grid_agent_part_state{part="chain",grid_agent_part_state="warning"}', "1x600", "1x20 0x600", 90),
    "GridAgentRestarts": ("grid_agent_start_time_seconds", "0+300x600", "0x30 1x600", 65),
    "GridAgentManyErrors": ('grid_agent_problems_total{level="error"}', "0+5x600", "0+1x600", 30),
    "GridAgentJobsInTrouble": ("grid_agent_grid_jobs_in_trouble", "1x600", "1x20 0x600", 45),
    "GridAgentJobsRefused": ("grid_agent_refused_in_a_row", "5x600", "2x600", 20),
    "GridAgentJobsFail": ('grid_agent_ended_jobs_total{outcome="failed"}', "0+1x600", "0x600", 90),
    "GridAgentJobsVanish": ("grid_agent_vanished_jobs", "0x30 1x600", "1x600", 60),
    "GridAgentJobRunsTwice": ("grid_agent_surplus_jobs_running", "1x600", "0x600", 10),
    "GridAgentDeliveriesLate": ('grid_agent_delivery_oldest_age_seconds{gateway="deepsquare"}', "0+60x600", "30x600", 30),
    "GridAgentDeliveriesParked": ('grid_agent_deliveries_parked{gateway="deepsquare"}', "1x600", "0x600", 10),
    "GridAgentChainLags": ("grid_agent_chain_lag_blocks", "80x600", "3x600", 20),
    "GridAgentChainAlarm": ('grid_agent_chain_alarm{alarm="stuck"}', "1x600", "_x600", 10),
    "GridAgentBalanceLow": ("grid_agent_chain_balance_coins", "0.5x600", "14.2x600", 20),
    "GridAgentNotApproved": ("grid_agent_provider_approved", "0x600", "1x600", 45),
    "GridAgentDrainedForLong": ("grid_agent_provider_drained", "1x2000", "1x600 0x1400", 1500),
}


def promtool(*words):
    done = subprocess.run([PROMTOOL, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rules(folder):
    """each alert fires when it should, and not otherwise"""
    print(promtool("check", "rules", str(RULES)).strip().splitlines()[-1].strip())
    alerts = set(re.findall(r"- alert: (\w+)", RULES.read_text()))
    assert alerts == set(CASES), alerts ^ set(CASES)

    def case(alert, series, values, minute, fires):
        return {
            "interval": "1m", "input_series": [{"series": series, "values": values}],
            "promql_expr_test": [{
                "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})', "eval_time": f"{minute}m",
                "exp_samples": [{"labels": "{}", "value": 1}] if fires else []}]}

    tests = []
    for alert, (series, bad, good, minute) in CASES.items():
        tests += [case(alert, series, bad, minute, True), case(alert, series, good, minute, False)]
    # JSON is YAML.
    file = folder / "test.yaml"
    file.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
    promtool("test", "rules", str(file))
    print(f"{len(alerts)} alerts: each fires when it should, and not otherwise")


def dashboard(folder):
    """every query is one; no panel lies on another"""
    board = json.loads(DASHBOARD.read_text())
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24 and not cells & taken, panel["title"]
        taken |= cells
    queries = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    queries += [note["expr"] for note in board["annotations"]["list"]]
    assert all("grid_agent_" in query for query in queries)
    real = [query.replace("$__rate_interval", "1m").replace("$instance", ".*") for query in queries]
    file = folder / "queries.yaml"
    file.write_text(json.dumps({"groups": [{"name": "queries", "rules": [
        {"record": f"query:{number}", "expr": query} for number, query in enumerate(real)]}]}))
    promtool("check", "rules", str(file))
    print(f"dashboard: {len(panels)} panels, {len(queries)} queries in order")


def documented():
    """the examples use only what docs/metrics.md explains; it names no alert that is not there"""
    text = (ROOT / "docs/metrics.md").read_text()
    known = set(re.findall(r"^\| `(grid_agent_\w+)`", text, re.M))
    used = set(re.findall(r"grid_agent_\w+", RULES.read_text() + DASHBOARD.read_text()))
    assert used <= known, used - known
    named = set(re.findall(r"`(GridAgent\w+)`", text))
    assert named == set(CASES) - {"GridAgentDown"}, named ^ set(CASES)
    print(f"{len(used)} of {len(known)} metrics are used, all of them documented")


with tempfile.TemporaryDirectory() as folder:
    rules(Path(folder))
    dashboard(Path(folder))
documented()
