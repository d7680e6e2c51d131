// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials
import Testing

@testable import Jarvice

@Suite struct ScriptTests {
    @Test func keysAreLinesThatBeginWithThem() {
        let keys = ScriptKeys(
            """
            #!/bin/bash
             JOBOBJ_GPUS=9
            export JOBOBJ_GPUS=8
            JOBOBJ_GPUS="2" # x
            JOBOBJ_GPUS=3
            JOBOBJ_RAM=
            JOBOBJ_RAM=4
            JOBOBJ_NAE==x
            JOBOBJ_CTRSECRET={{"a"}}=
            """)
        #expect(keys["JOBOBJ_GPUS"] == "\"2\" # x")
        #expect(keys["JOBOBJ_RAM"] == nil)
        #expect(keys["JOBOBJ_NAE"] == nil)
        #expect(keys["JOBOBJ_CTRSECRET"] == "{{\"a\"}}=")
        #expect(keys["JOBOBJ_WALLTIME"] == nil)
    }

    // MARK: devices

    @Test(arguments: [nil, "not JSON", "[]"])
    func noDevices(text: String?) throws {
        #expect(try DeviceList(text) == DeviceList())
    }

    @Test(arguments: [
        "null", "1", "\"partition=a\"", "\"\"", "{}", "true", "[1]", "[\"\"]", "[\"ibrdma\"]", "[\"egl\"]",
        "[\"a=b=c\"]", "[\"=a\"]", "[\"what=ever\"]", "[\"overlay=-1\"]", "[\"overlay=x\"]", "[\"sbatch_hold=\"]",
        "[\"sbatch_uid=0\"]", "[\"sbatch_gid=0\"]", "[\"sbatch_wrap=id\"]", "[\"sbatch_export=ALL\"]",
        "[\"sbatch_nonsense=1\"]", "[\"sbatch_=1\"]", "[\"sbatch_nice=5\"]",
    ])
    func refusedDevices(text: String) {
        #expect(throws: JarviceError.self) { try DeviceList(text) }
    }

    @Test func devices() throws {
        let list = try DeviceList(
            """
            [" partition = a ","partition=b","exclusive=True","exclusive=false","overlay= 7 ","sbatch_qos=$(id)'\\n;",
             "sbatch_sbatch_time=1-0","sbatch_job-name=x"]
            """)
        #expect(list.partition == "b")
        #expect(!list.sharesNodes)
        #expect(list.overlay == 7)
        #expect(list.options == [.qos: "$(id)'\n;", .time: "1-0", .jobName: "x"])
        #expect(try DeviceList("[\"partition=a\",\"partition=\"]").partition == nil)
        #expect(try DeviceList("[\"exclusive=False\",\"exclusive=True\"]").sharesNodes)
    }

    @Test func everyRefusedOptionSaysWhyAndIsNoOther() {
        for (name, reason) in SbatchOption.refused {
            #expect(SbatchOption(rawValue: name) == nil, "\(name)")
            #expect(!reason.isEmpty)
        }
    }

    // MARK: images

    @Test(arguments: [
        ("latest", "x86_64", "x86_64", "latest"), ("jarvice-3-amd64", "aarch64", "x86_64", "jarvice-3-aarch64"),
        ("amd64", "aarch64", "x86_64", "amd64"), ("-amd64", "aarch64", "x86_64", "-amd64"),
        ("a-amd64", "x86_64", "x86_64", "a-amd64"), ("x-aarch64", "x86_64", "aarch64", "x-amd64"),
        ("x-ppc64le", "aarch64", "x86_64", "x-ppc64le"),
    ])
    func tags(tag: String, architecture: String, machine: String, expected: String) {
        #expect(ContainerImages.tag(tag, architecture: architecture, machine: machine) == expected)
    }

    private func images(_ repository: String, _ change: (inout RegistrySettings) -> Void) throws -> ContainerImages {
        var settings = RegistrySettings()
        settings.systemRegistry = "r"
        settings.systemBase = "s/i"
        change(&settings)
        return try ContainerImages(
            repository: repository, nae: "app", definitionVersion: 2, architecture: nil, machine: "x86_64", settings)
    }

    @Test func whereImagesComeFrom() throws {
        #expect(try images("a/b") { _ in }.application == "docker://a/b")
        #expect(try images("a/b") { _ in }.initial == "docker://r/s/i/initv2:latest")
        #expect(
            try images("a/b") {
                $0.localRegistry = "l:5"
                $0.localBase = "base"
                $0.proxyPort = 1
            }.application == "docker://l:5/base/app:latest")
        let proxied: (inout RegistrySettings) -> Void = {
            $0.proxyPort = 32000
            $0.proxyRepositories = "us.pkg/x,us.pkg/jarvice"
        }
        #expect(
            try images("us.pkg/jarvice/us.pkg:1", proxied).application == "docker://localhost:32000/jarvice/us.pkg:1")
        #expect(try images("other/y", proxied).application == "docker://other/y")
    }

    @Test(arguments: [
        ("docker://a/b", "", true), ("docker://a/b", "a", true), ("docker://ab", "x,a", false),
        ("docker://reg/a", "reg,other", true), ("docker://a.reg", "reg", false), ("docker://a/b", "a,", true),
    ])
    func globalRegistries(image: String, list: String, expected: Bool) {
        #expect(ContainerImages.isGlobal(image, list) == expected)
    }

    // MARK: credentials

    private func encoded(_ text: String) -> String { Data(text.utf8).base64EncodedString() }

    private func credentials(_ repository: String, _ auths: String, secret: String? = nil) throws -> [String] {
        let found = try ContainerCredentials(repository: repository, auths: encoded(auths), secret: secret)
        return [found.user, found.password]
    }

    @Test func credentialsOfARegistry() throws {
        let auth = encoded("u:p:w")
        #expect(
            try credentials("reg.example/a/b", "{\"auths\":{\"https://reg.example/v1/\":{\"auth\":\"\(auth)\"}}}")
                == ["u", "p:w"])
        #expect(try credentials("reg:5/a/b", "{\"auths\":{\"reg\":{\"auth\":\"\(auth)\"}}}") == ["", ""])
        #expect(
            try credentials("a/b", "{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"\(auth)\"}}}")
                == ["u", "p:w"])
        #expect(
            try credentials("docker.io/a/b", "{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"\(auth)\"}}}")
                == ["", ""])
        #expect(
            try credentials(
                "r/a/b", "{\"auths\":{\"r\":{\"auth\":\"\(auth)\"},\"https://r\":{\"auth\":\"\(encoded("x:y"))\"}}}")
                == ["x", "y"])
        #expect(try credentials("r/a/b", "{\"auths\":{\"r\":{\"auth\":\"%\"},\"r\":{}}}") == ["", ""])
        #expect(
            try credentials(
                "r/a/b", "{\"auths\":{}}", secret: "{{\"server\":\"r\",\"username\":\"a\",\"password\":\"b\"}}")
                == ["a", "b"])
        #expect(try credentials("r/a/b", "{\"auths\":{}}", secret: "{x}") == ["", ""])
        #expect(throws: JarviceError.self) { try credentials("r/a/b", "{}") }
        #expect(throws: JarviceError.self) { try ContainerCredentials(repository: "a", auths: "!a", secret: nil) }
    }

    // MARK: shell text

    @Test(arguments: [
        ("plain/x.y:1", "plain/x.y:1"), ("", "''"), ("a b", "'a b'"), ("it's", "'it'\\''s'"), ("$(id)", "'$(id)'"),
        ("a\nb", "'a\nb'"), ("a'\u{301};id", "'a'\\''\u{301};id'"),
        ("`id`;|&<>*?[]{}~#!\"\\", "'`id`;|&<>*?[]{}~#!\"\\'"),
    ])
    func words(text: String, expected: String) {
        #expect(ShellText.word(text) == expected)
    }

    @Test(arguments: [
        ("$HOME/x", "${HOME}/x"), ("/s/$USER/", "/s/${USER}/"), ("/s/${USER}x", "/s/${USER}x"), ("$(id)", "'$(id)'"),
        ("/a b/$HOMEx", "'/a b/'${HOME}x"), ("", ""),
    ])
    func paths(text: String, expected: String) {
        #expect(ShellText.path(text) == expected)
    }
}
