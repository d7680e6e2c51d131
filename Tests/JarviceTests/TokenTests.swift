// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials
import JWTKit
import Logging
import NIOConcurrencyHelpers
import Testing

@testable import Jarvice

@Suite struct TokenTests {
    private static let time = 1_800_000_000.0

    private struct Claims: JWTPayload {
        var values: [String: Value]
        enum Value: Codable, Sendable {
            case text(String)
            case number(Double)
            case texts([String])
            case truth(Bool)

            init(from decoder: any Decoder) throws {
                let container = try decoder.singleValueContainer()
                if let text = try? container.decode(String.self) {
                    self = .text(text)
                } else if let truth = try? container.decode(Bool.self) {
                    self = .truth(truth)
                } else if let number = try? container.decode(Double.self) {
                    self = .number(number)
                } else {
                    self = .texts(try container.decode([String].self))
                }
            }

            func encode(to encoder: any Encoder) throws {
                var container = encoder.singleValueContainer()
                switch self {
                case .text(let text): try container.encode(text)
                case .number(let number): try container.encode(number)
                case .texts(let texts): try container.encode(texts)
                case .truth(let truth): try container.encode(truth)
                }
            }
        }

        init(_ values: [String: Value]) { self.values = values }
        init(from decoder: any Decoder) throws { values = try [String: Value](from: decoder) }
        func encode(to encoder: any Encoder) throws { try values.encode(to: encoder) }
        func verify(using algorithm: some JWTAlgorithm) async throws {}
    }

    /// An issuer with an Ed25519 and a P-256 key.
    private struct Issuer {
        let edDSA: EdDSA.PrivateKey
        let p256 = ES256PrivateKey()
        var edID = "ed"

        init() throws { edDSA = try EdDSA.PrivateKey(curve: .ed25519) }

        func set(_ more: String = "") -> [UInt8] {
            let x = TokenTests.base64URL(edDSA.publicKey.rawRepresentation)
            let point = p256.publicKey.parameters
            let px = TokenTests.base64URL(Data(base64Encoded: point?.x ?? "") ?? Data())
            let py = TokenTests.base64URL(Data(base64Encoded: point?.y ?? "") ?? Data())
            return Array(
                """
                {"keys":[{"kty":"oct","kid":"shared","k":"AAAA"},
                {"kty":"OKP","crv":"Ed25519","kid":"\(edID)","x":"\(x)"},
                {"kty":"EC","crv":"P-256","kid":"p","alg":"ES256","x":"\(px)","y":"\(py)"}\(more)]}
                """.utf8)
        }

        func token(_ id: String = "ed", _ changes: [String: Claims.Value?] = [:], ec: Bool = false) async throws
            -> String
        {
            let keys = JWTKeyCollection()
            if ec {
                await keys.add(ecdsa: p256, kid: JWKIdentifier(string: id))
            } else {
                await keys.add(eddsa: edDSA, kid: JWKIdentifier(string: id))
            }
            var claims: [String: Claims.Value] = [
                "iss": .text("i"), "aud": .text("a"), "exp": .number(TokenTests.time + 100),
                "email": .text("a@example.org"),
            ]
            for (name, value) in changes { claims[name] = value }
            var header = JWTHeader()
            header.kid = id
            return try await keys.sign(Claims(claims), kid: JWKIdentifier(string: id), header: header)
        }
    }

    private static func base64URL(_ data: Data) -> String {
        data.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    private func verifier(
        _ keys: @escaping @Sendable () -> [UInt8],
        algorithms: Set<TokenSettings.Algorithm> = Set(TokenSettings.Algorithm.allCases),
        clock: @escaping @Sendable () -> Duration = { .zero }
    ) -> TokenVerifier {
        var settings = TokenSettings()
        settings.issuer = "i"
        settings.audience = "a"
        settings.algorithms = algorithms
        let source = TokenKeySource(logger: Logger(label: "test"), now: clock, load: { keys() })
        return TokenVerifier(settings: settings, source: source, now: { Date(timeIntervalSince1970: Self.time) })
    }

    private func reason(_ verifier: TokenVerifier, _ token: String) async -> String? {
        do throws(JarviceError) {
            _ = try await verifier.claims(of: token)
            return nil
        } catch {
            return error.message
        }
    }

    private func header(_ text: String, _ token: String) -> String {
        let parts = token.split(separator: ".")
        return "\(Self.base64URL(Data(text.utf8))).\(parts[1]).\(parts[2])"
    }

    @Test func goodTokens() async throws {
        let issuer = try Issuer()
        let keys = issuer.set()
        let verifier = verifier { keys }
        #expect(await reason(verifier, try await issuer.token()) == nil)
        #expect(await reason(verifier, try await issuer.token("ed", ["aud": .texts(["x", "a"])])) == nil)
        #expect(await reason(verifier, try await issuer.token("ed", ["exp": .number(Self.time - 59)])) == nil)
        #expect(await reason(verifier, try await issuer.token("ed", ["nbf": .number(Self.time + 59)])) == nil)
    }

    @Test func claimsThatDoNotHold() async throws {
        let issuer = try Issuer()
        let keys = issuer.set()
        let verifier = verifier { keys }
        let cases: [(String, Claims.Value?, String)] = [
            ("iss", .text("j"), "issuer"), ("iss", nil, "issuer"), ("aud", .text("b"), "audience"),
            ("aud", .texts([]), "audience"), ("aud", nil, "audience"), ("exp", nil, "no expiry"),
            ("exp", .text("x"), "no expiry"), ("exp", .number(Self.time - 61), "expired"),
            ("nbf", .number(Self.time + 61), "not valid yet"), ("iat", .number(Self.time + 61), "future"),
        ]
        for (name, value, words) in cases {
            let found = await reason(verifier, try await issuer.token("ed", [name: value]))
            #expect(found?.contains(words) == true, "\(name): \(found ?? "taken")")
        }
    }

    @Test func signaturesThatAreNone() async throws {
        let issuer = try Issuer()
        let keys = issuer.set()
        let verifier = verifier { keys }
        let good = try await issuer.token()
        let forged = try await Issuer().token()
        let cases = [
            (forged, "signature is wrong"), (header("{\"alg\":\"none\",\"kid\":\"ed\"}", good), "not allowed"),
            (header("{\"alg\":\"HS256\",\"kid\":\"shared\"}", good), "not allowed"),
            (header("{\"alg\":\"RS256\",\"kid\":\"ed\"}", good), "signature is wrong"),
            (header("{\"alg\":\"ES256\",\"kid\":\"p\"}", good), "signature is wrong"),
            (header("{\"alg\":\"ES384\",\"kid\":\"p\"}", good), "signature is wrong"),
            (header("{\"alg\":\"EdDSA\",\"kid\":\"x\"}", good), "key is not"),
            (header("{\"alg\":\"EdDSA\",\"crit\":[\"b64\"]}", good), "critical"),
            (header("{\"kid\":\"ed\"}", good), "no algorithm"), (header("[]", good), "not a JSON object"),
            (good + ".x", "4 parts"), ("", "1 parts"), ("a.b", "2 parts"), ("..", "not JSON"), ("é.é.é", "base64url"),
            (String(repeating: "a", count: 20_000), "more than"), (String(good.dropLast(4)), "signature is wrong"),
        ]
        for (token, words) in cases {
            let found = await reason(verifier, token)
            #expect(found?.contains(words) == true, "\(token.prefix(60)): \(found ?? "taken")")
        }
        let onlyEC = self.verifier({ keys }, algorithms: [.es256])
        #expect(await reason(onlyEC, good)?.contains("not allowed") == true)
    }

    @Test func keysThatChange() async throws {
        var old = try Issuer()
        old.edID = "old"
        let new = try Issuer()
        let set = NIOLockedValueBox(old.set())
        let asked = NIOLockedValueBox(0)
        let time = NIOLockedValueBox(Duration.zero)
        let verifier = verifier(
            {
                asked.withLockedValue { $0 += 1 }
                return set.withLockedValue { $0 }
            }, clock: { time.withLockedValue { $0 } })
        let token = try await old.token("old")
        #expect(await reason(verifier, token) == nil)
        set.withLockedValue { $0 = new.set() }
        // Not asked again for each unknown key.
        for _ in 0..<5 { #expect(await reason(verifier, try await new.token()) != nil) }
        #expect(asked.withLockedValue { $0 } == 1)
        time.withLockedValue { $0 = .seconds(11) }
        #expect(await reason(verifier, try await new.token()) == nil)
        #expect(await reason(verifier, token)?.contains("key is not") == true)
        #expect(asked.withLockedValue { $0 } == 2)
        // What cannot be read is passed over for an hour.
        set.withLockedValue { $0 = Array("<html>".utf8) }
        time.withLockedValue { $0 = .seconds(1800) }
        #expect(await reason(verifier, try await new.token()) == nil)
        time.withLockedValue { $0 = .seconds(3700) }
        #expect(await reason(verifier, try await new.token())?.contains("keys are not there") == true)
    }

    @Test(arguments: [
        "", "{}", "{\"keys\":{}}", "{\"keys\":[]}", "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"a\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}", "[]",
    ])
    func setsWithoutKeys(text: String) {
        #expect(throws: JarviceError.self) { try TokenKeys(Array(text.utf8)) }
    }

    // MARK: users

    @Test func usersByMapping() throws {
        let mapping = try UserMapping(
            yaml: """
                users_id_mapping:
                  - {user: a, jarvice_user: b, mail: a@x.org, mapped_user: alice, ssh_private_key_b64: AAAA}
                  - {user: a, jarvice_user: b, mail: a@x.org, mapped_user: bob}
                """)
        #expect(mapping.hasKeys && mapping.count == 2)
        let rule = UserRule.mapping(mapping)
        func login(_ claims: String) -> String? { try? rule.login(JSONValue(parsing: claims.utf8)) }
        #expect(login("{\"email\":\"a@x.org\"}") == "alice")
        #expect(login("{\"email\":\"A@x.org\"}") == nil)
        #expect(login("{\"email\":\"a@x.org\",\"email_verified\":false}") == nil)
        #expect(login("{\"email\":1}") == nil && login("{}") == nil && login("{\"email\":\"\"}") == nil)
    }

    @Test(arguments: [
        "", "users_id_mapping: x", "users_id_mapping:\n  - mail: a",
        "users_id_mapping:\n  - {mail: a, mapped_user: \"1\"}",
        "users_id_mapping:\n  - {mail: a, mapped_user: \"-x\"}",
        "users_id_mapping:\n  - {mail: a, mapped_user: \"a b\"}", "[",
    ])
    func mappingsThatAreNone(yaml: String) {
        #expect(throws: UserMapping.Malformed.self) { try UserMapping(yaml: yaml) }
    }

    @Test func usersByClaim() throws {
        let rule = UserRule.claim("sun")
        #expect(try rule.login(JSONValue(parsing: "{\"sun\":\"al.ice\"}".utf8)) == "al.ice")
        for bad in ["{}", "{\"sun\":\"\"}", "{\"sun\":\"0\"}", "{\"sun\":\"a b\"}", "{\"sun\":\"-a\"}", "{\"sun\":[]}"]
        {
            #expect(throws: JarviceError.self) { try rule.login(JSONValue(parsing: bad.utf8)) }
        }
    }

    // MARK: who may call

    @Test func passwords() {
        let access = ServerAccess(key: "user:pass:word")
        func encoded(_ text: String) -> String { "Basic " + Data(text.utf8).base64EncodedString() }
        #expect(access.allows(encoded("user:pass:word")))
        #expect(access.allows(encoded("user:pass:word").replacing("Basic", with: "bAsic")))
        for wrong in ["user:pass", "user:pass:word2", "", "user:pass:worD", "userXpass:word"] {
            #expect(!access.allows(encoded(wrong)), "\(wrong)")
        }
        #expect(!access.allows(nil) && !access.allows("Bearer x") && !access.allows("Basic %%"))
        #expect(ServerAccess(key: nil).allows(nil))
    }

    @Test func rates() {
        let time = NIOLockedValueBox(Duration.zero)
        let limiter = RateLimiter(perSecond: 2) { time.withLockedValue { $0 } }
        #expect(limiter.takes("a") && limiter.takes("a") && !limiter.takes("a"))
        #expect(limiter.takes("b"))
        time.withLockedValue { $0 = .milliseconds(500) }
        #expect(limiter.takes("a") && !limiter.takes("a"))
        time.withLockedValue { $0 = .seconds(100) }
        #expect(limiter.takes("a") && limiter.takes("a") && !limiter.takes("a"))
        // It has been silent for the longest then.
        time.withLockedValue { $0 = .milliseconds(100_001) }
        for peer in 0..<3000 { _ = limiter.takes("\(peer)") }
        #expect(limiter.takes("a"))
    }
}
