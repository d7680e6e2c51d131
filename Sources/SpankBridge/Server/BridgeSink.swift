// SPDX-License-Identifier: GPL-3.0-or-later

/// Who sent something.
public struct BridgePeer: Sendable, Hashable, CustomStringConvertible {
    public enum Way: String, Sendable, Hashable {
        case unix
        case tcp
    }

    public var way: Way
    /// Unix: of the connected process. TCP: of the credential.
    public var uid: UInt32
    /// Unix: the process. nil for TCP.
    public var pid: Int32?
    /// TCP: for the log only; never connected to.
    public var address: String?

    public var description: String {
        switch way {
        case .unix: "uid \(uid)\(pid.map { ", pid \($0)" } ?? "")"
        case .tcp: "uid \(uid) at \(address ?? "?")"
        }
    }
}

/// What one read from one peer brought.
public struct BridgeDelivery: Sendable {
    public var events: [PluginEvent] = []
    public var nodes: [PluginNode] = []
    public var refused: [FrameRefusal] = []
    public var peer: BridgePeer

    var isEmpty: Bool { events.isEmpty && nodes.isEmpty && refused.isEmpty }
}

/// Takes what arrives from the plugins.
public protocol BridgeSink: Sendable {
    /// Returns once all of it is on the disk: then it is acknowledged. Throws when it is not: the connection is closed
    /// without an acknowledgement, and the plugin sends it again.
    func commit(_ delivery: BridgeDelivery) async throws

    func hello(_ hello: PluginHello, from peer: BridgePeer) async
}

/// What passed, and what was turned away. Counts since the start.
public struct BridgeCounters: Sendable, Hashable, Codable {
    /// At the Unix socket.
    public var connections = 0
    public var openConnections = 0
    /// From other hosts.
    public var remoteConnections = 0
    public var openRemoteConnections = 0
    public var refusedPeers = 0
    /// Turned away, as all places were taken by those that may stay.
    public var tooManyConnections = 0
    public var tooManyRemoteConnections = 0
    /// Gave their place to a newer one, having shown nothing.
    public var replacedConnections = 0
    /// Times that the system had no room for another connection.
    public var acceptFailures = 0
    /// Connections closed because their bytes made no sense, or no whole frame came in time.
    public var brokenStreams = 0
    public var silentConnections = 0
    public var frames = 0
    public var events = 0
    public var hellos = 0
    public var refusedFrames = 0
    public var commitFailures = 0
    public var bytes = 0
    public var credentialsOpened = 0
    public var credentialsReplayed = 0
    public var credentialsExpired = 0
    public var credentialsInvalid = 0
    public var credentialsUnavailable = 0
    /// Signed by somebody who is neither root nor SlurmUser.
    public var credentialsWrongUser = 0
    /// From another host, but no SPANK message.
    public var forged = 0

    public init() {}
}
