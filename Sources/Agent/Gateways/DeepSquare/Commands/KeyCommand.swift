// SPDX-License-Identifier: GPL-3.0-or-later

internal import ArgumentParser
internal import Ethereum
internal import FoundationEssentials
internal import Glibc

struct KeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key",
        abstract: "Make, import and show keys for the chain, and sign messages.",
        discussion: """
            A key is a file of mode 0600 that holds 64 digits, or, with a password, a keystore (version 3) as wallets make it. \
            No key is ever taken from the command line, where every user of the machine can read it.
            """,
        subcommands: [New.self, Import.self, Show.self, Sign.self])

    struct Files: ParsableArguments {
        @Option(help: ArgumentHelp("The key's file.", valueName: "path"))
        var file: String

        @Option(
            name: .customLong("password-file"),
            help: ArgumentHelp("A file of mode 0600 with the keystore's password.", valueName: "path"))
        var passwordFile: String?

        @Option(name: .customLong("private-key"), help: .hidden)
        var privateKey: String?

        func validate() throws {
            guard privateKey == nil else {
                throw ValidationError(
                    "a key on the command line is readable by every user of this machine, so take this one as known to them: "
                        + "make a new one (key new), or hand one over on standard input (key import)")
            }
        }

        func load() throws(KeyError) -> PrivateKey {
            KeySource.forbidCoreDumps()
            return try KeySource.file(file).load(passwordFile: passwordFile)
        }

        /// Writes a key to a file that is not there yet.
        func save(_ key: PrivateKey) throws(KeyError) {
            try key.save(to: file, passwordFile: passwordFile)
        }
    }

    struct New: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a key, and print its address.",
            discussion:
                "With --password-file the file is a keystore, else the bare key. A file that is there is not touched.")

        @OptionGroup var files: Files

        func run() async throws {
            try await reportingChain {
                KeySource.forbidCoreDumps()
                let key = try PrivateKey.generate()
                try files.save(key)
                print(key.address.checksummed)
            }
        }
    }

    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Read a key from standard input into a file, and print its address.",
            discussion: """
                64 digits, with or without 0x. With --password-file the file becomes a keystore. A keystore needs no import: \
                name it in chain.key-file.
                """)

        @OptionGroup var files: Files

        func run() async throws {
            try await reportingChain {
                KeySource.forbidCoreDumps()
                let key = try PrivateKey.read(from: STDIN_FILENO)
                try files.save(key)
                print(key.address.checksummed)
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print a key's address, and nothing else of it.")

        @OptionGroup var files: Files

        func run() async throws {
            try await reportingChain { print(try files.load().address.checksummed) }
        }
    }

    struct Sign: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Sign a message (EIP-191), and print the signature.",
            discussion: "What is signed this way can never be a transaction.")

        @OptionGroup var files: Files
        @Argument(help: "The message.") var message: String

        func run() async throws {
            try await reportingChain {
                let signature = try await LocalSigner(try files.load()).sign(message: Array(message.utf8))
                print(Hex.data(signature.bytes))
            }
        }
    }
}
