// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Agent
@testable import AgentSettings

@Suite("check, as systemd runs the agent")
struct ServiceUnitTests {
    private static let shown = """
        User=slurm
        Group=slurm
        SupplementaryGroups=
        Environment=A=b "C=d e"
        EnvironmentFiles=/etc/default/slurm-grid-agent (ignore_errors=yes)
        EnvironmentFiles=/etc/supervisor.env (ignore_errors=no)
        ProtectHome=yes
        PrivateTmp=yes
        LoadState=loaded
        """
    private static let files = """
        # /lib/systemd/system/slurm-grid-agent.service
        [Service]
        LoadCredential=agent:/etc/slurm-grid-agent/credentials
        SetCredential=agent:none
        # /etc/systemd/system/slurm-grid-agent.service.d/key.conf
        [Service]
        LoadCredential=provider:/root/key
        """

    @Test(
        "the unit's user, environment, credentials and folders; variables of the unit are expanded, typed ones are not")
    func arguments() throws {
        let unit = try #require(ServiceUnit(Self.shown, files: Self.files))
        #expect(unit.user == "slurm")
        #expect(
            unit.arguments(program: "/usr/bin/slurm-grid-agent", words: ["--config", "/tmp/$x.yaml"]) == [
                "--quiet", "--pipe", "--wait", "--collect", "--property=User=slurm", "--property=Group=slurm",
                "--property=Environment=A=b \"C=d e\"", "--property=EnvironmentFile=-/etc/default/slurm-grid-agent",
                "--property=EnvironmentFile=/etc/supervisor.env", "--property=ProtectHome=yes",
                "--property=PrivateTmp=yes",
                "--property=LoadCredential=agent:/etc/slurm-grid-agent/credentials",
                "--property=SetCredential=agent:none", "--property=LoadCredential=provider:/root/key",
                "--property=BindReadOnlyPaths=-/tmp/$x.yaml", "--",
                "/usr/bin/slurm-grid-agent", "check", "--here", "--json", "$DAEMON_OPTS", "--config", "/tmp/$$x.yaml",
            ])
    }

    @Test(
        "of a /tmp of its own it sees the configuration that is tried, and nothing else that is there",
        arguments: [
            (["--config=/var/tmp/a.yaml"], ["/var/tmp/a.yaml"]), (["-config", "/tmp/a.yaml"], ["/tmp/a.yaml"]),
            (["--config", "/etc/a.yaml", "--sbatch.tls.ca", "/tmp/ca.pem"], []), ([], []),
        ])
    func ownFolders(_ words: [String], _ shown: [String]) throws {
        let unit = try #require(ServiceUnit(Self.shown, files: Self.files))
        let properties = unit.arguments(program: "/agent", words: words).filter { $0.hasPrefix("--property=Bind") }
        #expect(properties == shown.map { "--property=BindReadOnlyPaths=-\($0)" })
    }

    @Test("an empty value takes back what a file before it said")
    func reset() throws {
        let unit = try #require(ServiceUnit(Self.shown, files: Self.files + "\nLoadCredential=\nLoadCredential=a:/b"))
        #expect(
            unit.properties.filter { $0.contains("Credential") } == ["SetCredential=agent:none", "LoadCredential=a:/b"])
    }

    @Test(
        "no unit, or one that runs as root, is none",
        arguments: ["LoadState=not-found\nUser=slurm", "LoadState=loaded", "LoadState=loaded\nUser=root", ""])
    func none(_ text: String) { #expect(ServiceUnit(text, files: Self.files) == nil) }

    @Test("a configuration's path is whole, as the service starts elsewhere")
    func paths() {
        #expect(
            CheckCommand.withWholePath(
                ["--config", "a.yaml", "--config=b/c", "-config=/d", "--log-level", "a.yaml"], folder: "/root") == [
                    "--config", "/root/a.yaml", "--config=/root/b/c", "-config=/d", "--log-level", "a.yaml",
                ])
    }

    @Test("what root alone sees of the credentials stands in place of what the service sees")
    func joined() {
        let found: [Finding] = [
            .init(level: .ok, subject: "configuration", text: "/etc/x"),
            .init(level: .ok, subject: "credentials", text: "for root alone"),
            .init(level: .ok, subject: "key", text: "0x"),
        ]
        let all = CheckCommand.joined(
            found, user: "slurm", credentials: .init(level: .failure, subject: "credentials", text: "open"))
        #expect(all.map(\.subject) == ["configuration", "user", "credentials", "key"])
        #expect(all[1].text.contains("slurm") && all[2].level == .failure)
    }
}
